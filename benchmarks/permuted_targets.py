"""Coupling of a run's gradient beside that of its gradient on permuted answers: a control that the paper lacks.

    python -m benchmarks.permuted_targets [--run add-42] [--measured 8] [--permutations 3]

The answers of the fixed batch go to other pairs, so that there is nothing to learn from them. The run's checkpoints
must be there (``dvc repro train@add-42``), and it must be of one operation. Prints a table.
"""

import argparse
from collections.abc import Iterator

import pandas as pd
import torch
from torch import Tensor, nn

from sedlib.base.machine.hardware import configure
from sedlib.models.probes import Probes
from sedlib.own.measure_run import measure
from sedlib.pipeline.centroids.probing import probes_of
from sedlib.pipeline.parameters.coupling_params import CouplingParams
from sedlib.pipeline.parameters.row_params import RowParams
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.pipeline.rows.fixed_choices import fixed_batch
from sedlib.pipeline.study import load_study
from sedlib.pipeline.workspace import Workspace


def main(run: str, measured: int, permutations: int) -> None:
    """Print the table."""
    study, settings = load_study().of_run(run), CouplingParams.load()
    (task,) = study.tasks
    batch = fixed_batch(study, RowParams.load().gradient_batch)
    examples = probes_of(study, settings.probes, torch.device("cpu"))

    def loss(network: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        h = study.embedded(network, batch[0])
        return study.example_losses(network, h, batch[1][None])[0].mean()

    def scores(network: nn.Module, h: Tensor, targets: Tensor) -> Tensor:
        return study.scores(network, h, targets, settings.centroid)

    with RunCheckpoints.open(Workspace(run).checkpoints, study, configure()) as checkpoints:

        def states() -> Iterator[tuple[int, dict[str, Tensor]]]:
            for index, step in enumerate(checkpoints.steps):
                yield step, checkpoints.load(index).state_dict()

        table = measure(
            states,
            study.network(),
            {task: loss},
            [(batch.inputs, batch.targets[0])],
            Probes(examples.inputs, scores, examples.targets, study.embedded),
            windows=(1, 20),
            measured=measured,
            permutations=permutations,
        )
    print(_shown(table[table["stream"] == f"gradient/{task}"]))


def _shown(rows: pd.DataFrame) -> str:
    columns = ["step", "window", "ratio", "matched_mean", "permuted_mean", "permuted_z"]
    return rows[columns].round(1).to_markdown(index=False)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", default="add-42")
    parser.add_argument("--measured", type=int, default=8)
    parser.add_argument("--permutations", type=int, default=3)
    main(**vars(parser.parse_args()))
