"""Train one run of the second study and write its checkpoints and losses."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, nn

from sedlib.base.described.description import Origin
from sedlib.base.described.tables import write_table
from sedlib.base.machine.hardware import configure
from sedlib.base.randomness import generator
from sedlib.pipeline.rows.checkpoint_file import checkpoints_schema, write_checkpoints
from sedlib.pipeline.stage import stage
from sedlib.pipeline.study import Study
from sedlib.pipeline.workspace import Workspace
from sedlib.terms.tables.training_table import TRAINING
from tests.other_study.study import Perceptrons

BATCH_SIZE = 16


@dataclass(frozen=True)
class Checkpoint:
    step: int
    model: nn.Module
    moments: dict[str, Tensor] = field(default_factory=dict)


def main(study: Study, run: Workspace) -> None:
    device, network = configure(), study.network()
    losses: list[dict[str, Any]] = []
    split = {pool: study.examples(pool).inputs for pool in ("train", "test")}
    schema = checkpoints_schema(study.to_json(), study.inputs, network, study.slots(network))
    write_checkpoints(run.checkpoints, schema, trained(cast("Perceptrons", study), device, losses), split)
    write_table(run.table("training"), losses, TRAINING, Origin(run.run, study.to_json()))


def trained(study: Perceptrons, device: torch.device, losses: list[dict[str, Any]]) -> Iterator[Checkpoint]:
    """The checkpoints as they come; rows of the table of losses are appended to ``losses``."""
    settings, network = study.settings, study.network().to(device)
    optimizer = torch.optim.SGD(network.parameters(), settings.lr, settings.momentum)
    pools = [study.examples(pool).to(device) for pool in ("train", "test")]
    batches = generator(settings.seed, "batches")
    for step in range(settings.max_steps + 1):
        if step % settings.checkpoint_every == 0:
            with torch.no_grad():
                train, test = (study.losses(network, pool).tolist() for pool in pools)
            for number, task in enumerate(study.tasks):
                losses.append({"step": step, "op": task, "train_loss": train[number], "test_loss": test[number]})
            yield Checkpoint(step, network)
        numbers = torch.randint(len(pools[0]), (BATCH_SIZE,), generator=batches).to(device)
        optimizer.zero_grad()
        study.losses(network, pools[0].chosen(numbers)).sum().backward()
        optimizer.step()


if __name__ == "__main__":
    stage(main, __doc__)
