"""Rows of two processes are those of one, to rounding, and training in them goes on as without a recorder."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, distributed, nn
from torch.multiprocessing.spawn import start_processes
from torch.nn.parallel import DistributedDataParallel

import sedlib
from sedlib.base.errors import UserError
from sedlib.own.live.sharded_rows import whole

INPUTS = torch.randn(14, 3, generator=torch.Generator().manual_seed(1))
PARTS = [[INPUTS[:5], INPUTS[5:6], INPUTS[6:9]], [INPUTS[9:]]]
"""Batches of each process, of different numbers and sizes."""
STEPS = 4


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Dropout(0.2), nn.Linear(5, 4))
        self.heads = nn.ModuleList([nn.Linear(4, 1), nn.Linear(4, 2)])
        self.heads[1].requires_grad_(False)  # frozen, and recorded all the same

    def forward(self, x: Tensor) -> list[Tensor]:
        z = self.trunk(x)
        return [head(z) for head in self.heads]


def losses(network: nn.Module, batch: Tensor) -> dict[str, tuple[Tensor, int]]:
    one, two = network(batch)
    return {"one": (one.square().sum(), len(batch)), "two": (two.exp().sum(), 2 * len(batch))}


def means(network: nn.Module, batch: Tensor) -> dict[str, Tensor]:
    return {"one": network(batch)[0].mean(), "two": network(batch)[1].mean()}


def made() -> tuple[Network, sedlib.ParamLayout]:
    torch.manual_seed(0)
    network = Network()
    return network, sedlib.ParamLayout.select(network, "trunk.*", "heads.*.weight")


def as_it_is(network: Network) -> nn.Module:
    return network


def replicated(network: Network) -> nn.Module:
    return DistributedDataParallel(network)


def sharded(network: Network) -> nn.Module:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh("cpu", (distributed.get_world_size(),))
    for layer in (network.trunk[0], network.trunk[3]):
        fully_shard(layer, mesh=mesh)
    fully_shard(network, mesh=mesh)
    return network


def trained(
    folder: Path,
    wrap: Callable[[Network], nn.Module],
    batches: Any,
    *,
    records: bool = True,
    task_losses: Callable[..., Any] = losses,
) -> Tensor:
    """Train with equal batches in all processes; parameters and gradients in the end."""
    network, slots = made()
    module = wrap(network)
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.01)
    arguments: dict[str, Any] = {"slots": slots, "batches": batches, "every": 2, "optimizer": optimizer}
    with sedlib.Recorder(folder, module, task_losses, states=folder / "states", **arguments) as recorder:
        torch.manual_seed(7)
        for step in range(1, STEPS + 1):
            optimizer.zero_grad()
            sum(output.square().mean() for output in module(INPUTS)).backward()
            optimizer.step()
            if records:
                recorder.after(step)
    gradients = [value.grad for value in network.parameters() if value.grad is not None]
    assert len(gradients) == 6
    return torch.cat([whole(value.detach()).flatten() for value in (*network.parameters(), *gradients)])


def work(rank: int, port: int, folder: Path) -> None:
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", rank=rank, world_size=2)
    for wrap in (replicated, sharded):
        with_rows = trained(folder / wrap.__name__, wrap, PARTS[rank])
        without = trained(folder / f"{wrap.__name__}-not", wrap, PARTS[rank], records=False)
        assert torch.equal(with_rows, without), wrap
    with pytest.raises(UserError, match="is the loader empty"):  # in both, or one would wait for the other
        trained(folder / "none", replicated, [])
    with pytest.raises(UserError, match=r"expected one or more in each process"):
        trained(folder / "one-has-none", sharded, [] if rank else PARTS[0])
    with pytest.raises((UserError, ValueError), match="must be a pair of a sum and its count"):
        trained(folder / "one-is-wrong", sharded, PARTS[rank], task_losses=losses if rank else means)
    distributed.destroy_process_group()


def test_two_processes_record_what_one_does(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start_processes(work, (port, tmp_path), nprocs=2, start_method="fork")
    trained(tmp_path / "one", as_it_is, [INPUTS])
    _, slots = made()
    one, every = sedlib.RowFolder(tmp_path / "one", slots), slice(None)
    for name in ("replicated", "sharded"):
        two = sedlib.RowFolder(tmp_path / name, slots)
        assert two.steps == one.steps == [2, 4]
        for stream in [*one.names(4), "gradient/total"]:
            expected = one.stream(stream)[every, every]
            np.testing.assert_allclose(two.stream(stream)[every, every], expected, rtol=1e-4, atol=1e-6, err_msg=name)
        saved = sedlib.Checkpoints(tmp_path / name / "states")[1].state(Network())
        kept = sedlib.Checkpoints(tmp_path / "one/states")[1].state(Network())
        torch.testing.assert_close(saved, kept, rtol=1e-4, atol=1e-6)
