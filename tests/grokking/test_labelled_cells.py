"""Tables of cells are held against the params.yaml that they stand under."""

from pathlib import Path

import pandas as pd
import pytest

from sedlib.base.described.tables import write_table
from sedlib.base.errors import UserError
from sedlib.grokking.interventions.cell_texts import origin_of
from sedlib.grokking.interventions.cells import Cell
from sedlib.grokking.interventions.labelled_cells import parameters_in
from sedlib.grokking.setup.projection_params import ProjectionParams
from sedlib.report.numbers.cell_results import names, read_cells
from sedlib.terms.condition import CONTROL
from sedlib.terms.tables.cell_table import CELL
from tests.report.made_up import cell

RUNS = "runs: {add-1: {ops: [add], seed: 1}, add-2: {ops: [add], seed: 2}}\n"


@pytest.fixture
def params(tmp_path: Path) -> Path:
    (tmp_path / "params.yaml").write_text(RUNS)
    return tmp_path / "params.yaml"


def saved(table: pd.DataFrame, params: Path) -> Path:
    """The table as a cell's stage writes it with the parameters in the file."""
    (name,), settings = names(table), ProjectionParams.load(params)
    decay = table["weight_decay"].iloc[0]
    run = Cell(
        run=table["run"].iloc[0],
        condition=CONTROL,
        projection=None,
        weight_decay=None if pd.isna(decay) else float(decay),
    )
    path = params.parent / f"{name}.csv"
    origin = origin_of(run, run.experiment(settings, params), settings)
    write_table(path, table, CELL, type(origin)(name, origin.parameters))
    return path


TABLES = {
    "natural": cell("add-1", "control", None, 40),
    "frozen": cell("add-2", "freeze", "update", 40),
    "coordinates": cell("add-1", "keep-random", "update", 40, coordinates=131),
    "without decay": cell("add-1", "control", None, None, weight_decay=0.0),
    "of a sweep": cell("add-1", "keep-gauss-newton", "gradient", 40),
    "kicked": cell("add-1", "kick-random", None, 40).assign(size=50.0, start=20),
}


@pytest.mark.parametrize("kind", TABLES)
def test_a_cell_of_these_parameters_is_taken(params: Path, kind: str) -> None:
    file = saved(TABLES[kind], params)
    (found,) = read_cells([file], parameters_in(params), "dvc.yaml")
    assert names(found) == [file.stem]


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize(
    ("change", "place"),
    [
        ("optimizer: {lr: 0.003}\n", r"parameters\.optimizer\.lr 0.003, found 0.001"),
        ("interventions: {rank: 2}\n", r"parameters\.interventions\.rank 2, found 3"),
        ("stopping: {accuracy: 0.9, checkpoints: 20}\n", r"parameters\.stopping\.accuracy 0.9, found 0.98"),
    ],
)
def test_a_cell_of_other_parameters_is_refused_with_the_first_that_differs(
    params: Path, kind: str, change: str, place: str
) -> None:
    file = saved(TABLES[kind], params)
    params.write_text(RUNS + change)
    with pytest.raises(UserError, match=rf"{file.name}: expected {place}"):
        read_cells([file], parameters_in(params), "dvc.yaml")


def test_a_cell_of_a_run_that_there_is_not_is_refused(params: Path) -> None:
    file = saved(TABLES["frozen"], params)
    params.write_text("runs: {add-1: {ops: [add], seed: 1}}\n")
    with pytest.raises(UserError, match=rf"{file.name} is not of these parameters: .*add-2"):
        read_cells([file], parameters_in(params), "dvc.yaml")
