"""Which intervention cells params.yaml asks for, and the DVC stage of each: the matrices of dvc.yaml in Python."""

from collections.abc import Iterator
from itertools import product

from sedlib.grokking.interventions.cells import Cell
from sedlib.grokking.setup.intervention_params import InterventionParams
from sedlib.terms.condition import CONTROL, Condition, Intervention
from sedlib.terms.conditions import CONDITIONS

STAGES = "interventions/dvc.yaml"
KEEP_RANDOM = Intervention(Condition("keep", "random"), "update").name
"""Of which the number of coordinates is varied."""


def cell_stages(params: InterventionParams) -> dict[str, str]:
    """Address of the stage that runs each cell, by the cell's name."""
    return {cell.name: f"{STAGES}:{stage}" for cell, stage in cells_of(params)}


def cells_of(params: InterventionParams) -> Iterator[tuple[Cell, str]]:
    """Each cell with the name of its stage."""
    for run in params.runs:
        yield Cell.of(run, CONTROL.name), f"control@{run}"
        for projection, condition in product(params.projections, params.conditions):
            intervention = Intervention(CONDITIONS[condition], projection).name
            yield Cell.of(run, intervention), f"intervene@{run}-{projection}-{condition}"
    for run in params.varied_runs:
        for intervention in params.without_weight_decay:
            yield Cell.of(run, intervention, weight_decay=0.0), f"without_weight_decay@{run}-{intervention}"
        for count in params.coordinates:
            yield Cell.of(run, KEEP_RANDOM, coordinates=count), f"coordinates@{run}-{count}"
