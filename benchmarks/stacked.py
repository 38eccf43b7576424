"""Runs of one shape trained as one batch of networks: a step of all in one pass, on CUDA one replayed graph.

Shapes: parameters are ``[runs, params]``, pairs ``[runs, batch, 2]``, answers and losses ``[runs, tasks, batch]``.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from sedlib.base.machine.hardware import matmul_precision
from sedlib.base.machine.replays import replayed
from sedlib.base.randomness import generator
from sedlib.grokking.network.evaluation import Data
from sedlib.grokking.network.losses import pair_losses
from sedlib.grokking.network.model import GrokkingTransformer, build_model
from sedlib.grokking.setup.experiment import Experiment
from sedlib.vectors import ParamLayout


class Logits(nn.Module):
    """A network as the function that ``functional_call`` calls."""

    def __init__(self, network: GrokkingTransformer) -> None:
        super().__init__()
        self.network = network

    def forward(self, pairs: Tensor) -> Tensor:
        """Logits ``[tasks, batch, p]``."""
        return self.network.logits(pairs)


class StackedTraining:
    """Training steps of several runs, which share the network's shape, the optimizer and the number of operations.

    Each run draws the batches of its own training, ``block`` steps of them at once.

    Raises
    ------
    ValueError
        The runs differ in more than their operations and seeds.
    """

    def __init__(self, experiments: Sequence[Experiment], device: torch.device, block: int = 25) -> None:
        shapes = {
            (experiment.model.model_dump_json(), experiment.optimizer.model_dump_json(), len(experiment.run.ops))
            for experiment in experiments
        }
        if len(shapes) != 1:
            raise ValueError(
                f"experiments: expected one network, optimizer and number of operations, got {len(shapes)}"
            )
        self._settings = experiments[0].optimizer
        networks = [Logits(build_model(experiment)) for experiment in experiments]
        self._data = [Data.of(experiment, torch.device("cpu")) for experiment in experiments]
        self._draws = [generator(experiment.run.seed, "batches") for experiment in experiments]
        self._layout = ParamLayout.select(networks[0], "*")
        vectors = [self._layout.flatten(dict(network.named_parameters())) for network in networks]
        self._function = networks[0].to(device)
        self.vectors = nn.Parameter(torch.stack(vectors).detach().to(device))
        self.vectors.grad = torch.zeros_like(self.vectors)
        self._optimizer = torch.optim.AdamW(
            [self.vectors],
            self._settings.lr,
            cast("tuple[float, float]", tuple(self._settings.betas)),
            weight_decay=self._settings.weight_decay,
            fused=True,
            capturable=device.type == "cuda",
        )
        runs, batch = len(experiments), self._settings.batch_size
        self._block = block
        self._pairs = torch.zeros(block, runs, batch, 2, dtype=torch.int64, device=device)
        self._answers = torch.zeros(block, runs, len(experiments[0].run.ops), batch, dtype=torch.int64, device=device)
        self._place = torch.zeros(1, dtype=torch.int64, device=device)
        self._left = 0
        self._step = replayed(self._take_step, device)

    def __call__(self) -> None:
        """The next step of every run."""
        if not self._left:
            self._draw()
        self._left -= 1
        with matmul_precision(self._settings.matmul_precision):
            self._step()

    def _draw(self) -> None:
        """The batches of a block of steps."""
        pairs, answers = torch.empty_like(self._pairs, device="cpu"), torch.empty_like(self._answers, device="cpu")
        for step in range(self._block):
            for run, (data, draws) in enumerate(zip(self._data, self._draws, strict=True)):
                batch = torch.randint(len(data.train_pairs), (self._settings.batch_size,), generator=draws)
                pairs[step, run], answers[step, run] = data.train_pairs[batch], data.train_answers[:, batch]
        self._pairs.copy_(pairs)
        self._answers.copy_(answers)
        self._place.zero_()
        self._left = self._block

    def _take_step(self) -> None:
        gradient = cast("Tensor", self.vectors.grad)
        gradient.zero_()
        pairs = self._pairs.index_select(0, self._place)[0]
        answers = self._answers.index_select(0, self._place)[0]
        logits = self.logits(pairs)
        losses = pair_losses(logits.flatten(0, 1), answers.flatten(0, 1)).mean(-1)
        losses.sum().backward()
        norms = gradient.norm(dim=1, keepdim=True)
        gradient.mul_((self._settings.clip_norm / (norms + 1e-6)).clamp(max=1.0))
        self._optimizer.step()
        self._place += 1

    def logits(self, pairs: Tensor) -> Tensor:
        """Logits ``[runs, tasks, batch, p]``."""

        def of_one(vector: Tensor, pairs: Tensor) -> Tensor:
            return functional_call(self._function, self._layout.unflatten(vector), (pairs,))

        return vmap(of_one)(self.vectors, pairs)
