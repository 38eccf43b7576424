"""Which intervention cells params.yaml asks for, and the DVC stage of each: the matrices of dvc.yaml in Python."""

from collections.abc import Iterator, Sequence

from sedlib.grokking.cells import INTERVENTIONS, Cell

WITHOUT_WEIGHT_DECAY = ("control", "update-keep-sed", "update-keep-random", "update-freeze")


def cell_stages(runs: Sequence[str], varied_runs: Sequence[str], coordinates: Sequence[int]) -> dict[str, str]:
    """By the cell's name, the stage that runs it."""
    return dict(_cells(runs, varied_runs, coordinates))


def _cells(runs: Sequence[str], varied_runs: Sequence[str], coordinates: Sequence[int]) -> Iterator[tuple[str, str]]:
    for run in runs:
        for intervention in INTERVENTIONS:
            stage = "intervene_control" if intervention == "control" else "intervene"
            address = run if intervention == "control" else f"{run}-{intervention}"
            yield Cell.of(run, intervention, None, None).name, f"{stage}@{address}"
    for run in varied_runs:
        for intervention in WITHOUT_WEIGHT_DECAY:
            cell = Cell.of(run, intervention, None, 0.0)
            yield cell.name, f"intervene_without_weight_decay@{run}-{intervention}"
        for count in coordinates:
            cell = Cell.of(run, "update-keep-random", count, None)
            yield cell.name, f"intervene_rank@{run}-{count}"
