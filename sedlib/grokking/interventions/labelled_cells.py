"""What a cell's table must have been computed of, from the labels in its rows and a params.yaml."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sedlib.grokking.interventions.cell_texts import origin_of
from sedlib.grokking.interventions.cells import Cell
from sedlib.grokking.setup.projection_params import ProjectionParams
from sedlib.pipeline.parameters.sections import PARAMS_FILE, validated
from sedlib.terms.condition import CONTROL


def parameters_in(path: Path = PARAMS_FILE) -> Callable[[Mapping[str, Any]], str | None]:
    """Of a cell's labels, the parameters that its table has where it was computed with the params.yaml at ``path``.

    Raises
    ------
    ParamsError
        There is no such file, or it is wrong; or, when called: it has no such run.
    """
    settings = ProjectionParams.load(path)

    def parameters(labels: Mapping[str, Any]) -> str | None:
        of_run = {"run": labels["run"], "weight_decay": labels["weight_decay"]}  # what was done is in the cell's name
        cell = validated(Cell, {**of_run, "condition": CONTROL, "projection": None}, path)
        return origin_of(cell, cell.experiment(settings, path), settings).parameters

    return parameters
