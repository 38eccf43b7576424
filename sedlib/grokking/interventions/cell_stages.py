"""Which intervention cells params.yaml asks for, and the DVC stage of each: the matrices of dvc.yaml in Python."""

from collections.abc import Iterator, Sequence
from itertools import product

from sedlib.grokking.interventions.cells import Cell

PROJECTIONS = ("update", "gradient")
CONDITIONS = ("remove-sed", "remove-sed-raw", "keep-sed", "keep-sed-raw", "remove-random", "keep-random", "freeze")
WITHOUT_WEIGHT_DECAY = ("control", "update-keep-sed", "update-keep-random", "update-freeze")


def cell_stages(runs: Sequence[str], varied_runs: Sequence[str], coordinates: Sequence[int]) -> dict[str, str]:
    """By the cell's name, the stage that runs it."""
    return dict(_cells(runs, varied_runs, coordinates))


def _cells(runs: Sequence[str], varied_runs: Sequence[str], coordinates: Sequence[int]) -> Iterator[tuple[str, str]]:
    for run in runs:
        yield Cell.of(run, "control").name, f"intervene_control@{run}"
        for projection, condition in product(PROJECTIONS, CONDITIONS):
            intervention = f"{projection}-{condition}"
            yield Cell.of(run, intervention).name, f"intervene@{run}-{intervention}"
    for run in varied_runs:
        for intervention in WITHOUT_WEIGHT_DECAY:
            cell = Cell.of(run, intervention, weight_decay=0.0)
            yield cell.name, f"intervene_without_weight_decay@{run}-{intervention}"
        for count in coordinates:
            cell = Cell.of(run, "update-keep-random", coordinates=count)
            yield cell.name, f"intervene_rank@{run}-{count}"
