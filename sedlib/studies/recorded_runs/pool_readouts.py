"""Readouts of a network on examples that were trained on and on others, as rows of the table ``training``."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from sedlib.base.errors import UserError
from sedlib.base.randomness import generator
from sedlib.pipeline.study import Examples
from sedlib.studies.definition.own_study import OwnStudy
from sedlib.terms.tables.training_table import TRAINING

Row = dict[str, Any]
POOLS = ("train", "test")


@dataclass(frozen=True)
class Pools:
    """The examples that readouts are taken on, drawn once for a run."""

    study: OwnStudy
    chosen: dict[str, Examples]

    @classmethod
    def of(cls, study: OwnStudy, device: torch.device) -> "Pools":
        """Those of a study, on ``device``."""
        chosen = {}
        for pool in POOLS:
            examples = study.examples(pool)
            drawn = generator(study.settings.seed, f"evaluated/{pool}")
            count = min(len(examples), study.settings.training.evaluated)
            chosen[pool] = examples.drawn(count, drawn).to(device)
        return cls(study, chosen)

    @torch.no_grad()
    def rows(self, network: nn.Module, step: int) -> list[Row]:
        """A row for each task: the study's readouts and the loss, on either pool; in eval mode.

        Raises
        ------
        UserError
            A loss is not finite.
        """
        network.eval()
        rows: list[Row] = [{"step": step, "op": task} for task in self.study.tasks]
        found = {pool: self.study.readouts(network, examples) for pool, examples in self.chosen.items()}
        losses = {pool: self.study.losses(network, examples) for pool, examples in self.chosen.items()}
        for number, row in enumerate(rows):
            for name in found["train"]:
                row |= {f"{pool}_{name}": found[pool][name][number] for pool in POOLS}
            for pool in POOLS:
                if not torch.isfinite(losses[pool]).all():
                    raise UserError(f"step {step:,}, {row['op']}: expected a finite {pool} loss; choose a smaller lr")
                row[f"{pool}_loss"] = losses[pool][number].item()
        return [_in_order(row) for row in rows]


def _in_order(row: Row) -> Row:
    """The columns that every training's table has come first, as the table wants them; then the study's own."""
    return {column.name: row[column.name] for column in TRAINING.columns if column.name in row} | row
