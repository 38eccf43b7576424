"""A run of four checkpoints of a small network that learns two tasks, as a script of somebody would leave it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from sedlib.base.randomness import generator
from sedlib.models.probes import Probes
from sedlib.own.measure_run import measure
from sedlib.saved.saved_checkpoints import Checkpoints
from sedlib.vectors import ParamLayout

STEPS = (0, 10, 20, 30)
TASKS = ("sign", "half")


class Network(nn.Module):
    """A perceptron with dropout and two heads, in train mode."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(4, 6), nn.Linear(6, 6)
        self.heads = nn.ModuleList(nn.Linear(6, 2) for _ in TASKS)
        self.dropout = nn.Dropout(0.2)

    def forward(self, h: Tensor) -> Tensor:
        z = self.dropout(torch.tanh(self.second(torch.tanh(self.first(h)))))
        return torch.stack([head(z) for head in self.heads])


H = torch.randn(20, 4, generator=generator(0, "h"))
TARGETS = torch.stack([(H[:, 0] > 0).long(), (H.sum(1) > 0).long()])


def loss_of(number: int) -> Callable[[nn.Module, Any], Tensor]:
    def loss(module: nn.Module, batch: Any) -> Tensor:
        h, targets = batch
        return nn.functional.cross_entropy(module(h)[number], targets[:, number])

    return loss


LOSSES = {task: loss_of(number) for number, task in enumerate(TASKS)}
BATCH = (H, TARGETS.T)
PROBES = Probes(H[:9], lambda module, h, targets: module(h).gather(2, targets[..., None])[..., 0], TARGETS[:, :9])


def train(folder: Path, *, after: Callable[[int], Any] = lambda step: None, network: Network | None = None) -> None:
    """30 steps, with a checkpoint of each of ``STEPS``."""
    network = network or Network()
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.05)
    for step in range(STEPS[-1] + 1):
        if step in STEPS:
            torch.save({"model": network.state_dict(), "step": step}, folder / f"step-{step}.pt")
            after(step)
        optimizer.zero_grad()
        sum(loss(network, BATCH) for loss in LOSSES.values()).backward()  # type: ignore[union-attr]
        optimizer.step()


def measured(run: Path, **options: Any) -> pd.DataFrame:
    """Coupling ratios of that run, of few directions."""
    settings: dict[str, Any] = {"windows": (1, 3), "rank": 2, "random": 5, "matched": 4, "permutations": 2}
    settings |= {"response": "jvp", "probes": PROBES, "tasks": LOSSES, **options}
    layout = ParamLayout.select(Network(), "first.weight", "second.weight")
    return measure(Checkpoints(run), Network(), batches=[BATCH], slots=layout, **settings)
