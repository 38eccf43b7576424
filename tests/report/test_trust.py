"""What the report reads is what the run of this name and these parameters gave, or it says that it is not."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sedlib.base.described.description import Origin
from sedlib.base.described.tables import read_table, write_table
from sedlib.base.errors import UserError
from sedlib.report.numbers.cell_results import read_cell
from sedlib.report.numbers.collection import collect
from sedlib.terms.tables.ablation_table import ABLATION
from sedlib.terms.tables.cell_table import CELL
from tests.report.made_up import EXPECTED, write


@pytest.fixture
def results(tmp_path: Path) -> Path:
    write(tmp_path)
    return tmp_path


def copied(results: Path, source: str, target: str) -> None:
    """A table and its description under the names of others."""
    for kind in ("csv", "resource.json"):
        shutil.copy(results / f"{source}.{kind}", results / f"{target}.{kind}")


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("attack", "message"),
    [
        (lambda r: copied(r, "add-2/coupling", "add-1/coupling"), 'coupling.csv: expected of "add-1", found "add-2"'),
        (lambda r: shutil.copytree(r / "add-2", r / "add-1", dirs_exist_ok=True), 'expected of "add-1", found "add-2"'),
        (lambda r: copied(r, "add-1/ablation/rank", "add-1/ablation/window"), 'expected path "rank.csv", found'),
        (
            lambda r: copied(r, "interventions/add-2-control", "interventions/add-1-control"),
            'of "add-1-control", found',
        ),
        (lambda r: flipped(r / "add-1/summary.json"), r"summary\.json: expected hash"),
        (
            lambda r: (r / "add-1/summary.resource.json").unlink(),
            "found none: the file is older than version summary/1",
        ),
        (
            lambda r: flipped(r / "add-1/ablation/epsilon.csv"),
            r"dvc repro --force --single-item ablations/.*:ablate@add-1-epsilon",
        ),
        (lambda r: flipped(r / "add-1/ablation/batch_seed.csv"), r"ablations/dvc.yaml:ablate_batch@add-1-batch_seed"),
        (lambda r: flipped(r / "add-1/single_step.csv"), r"--single-item ablations/dvc.yaml:single_step@add-1`"),
        (lambda r: flipped(r / "add-1/trajectory.csv"), r"--single-item geometry/dvc.yaml:trajectory@add-1`"),
        (lambda r: flipped(r / "interventions/add-1-control.csv"), r"`dvc repro --force --single-item intervene`"),
    ],
)
def test_damage_and_exchange_are_refused(results: Path, attack: Callable[[Path], object], message: str) -> None:
    collect(results, EXPECTED)
    attack(results)
    with pytest.raises(UserError, match=message):
        collect(results, EXPECTED)


def test_results_of_other_parameters_are_refused_by_what_differs(results: Path) -> None:
    other = replace(EXPECTED, parameters={"add-2": '{"optimizer": {"lr": 0.1}}'})
    with pytest.raises(UserError, match=r"add-2/training\.csv: expected parameters.optimizer .*0.1.*, found null"):
        collect(results, other)
    (cell, *_) = EXPECTED.cells
    with pytest.raises(UserError, match=rf"{cell}\.csv: expected parameters.seed 7, found null"):
        collect(results, replace(EXPECTED, cell_parameters={cell: '{"seed": 7}'}))


def test_a_cells_labels_are_those_of_its_name(results: Path) -> None:
    path = results / "interventions/add-1-control.csv"
    table = read_cell(path)
    write_table(path, table.assign(seed=[1, 2, 1, 1, 1]), CELL, Origin(path.stem, "{}"))
    with pytest.raises(UserError, match='expected the cell add-1-control, found "add-1-control and add-1-control"'):
        read_cell(path)
    write_table(path, table.assign(condition="freeze"), CELL, Origin(path.stem, "{}"))
    with pytest.raises(UserError, match=r"found .add-1-freeze.*`dvc repro --force interventions/dvc\.yaml`"):
        read_cell(path)


def test_an_ablation_of_another_axis_is_refused(results: Path) -> None:
    path = results / "add-1/ablation/window.csv"
    table = read_table(path, ABLATION, "ablate", Origin("add-1"))
    write_table(path, table.assign(axis="rank"), ABLATION, Origin("add-1", "{}"))
    with pytest.raises(UserError, match=r'window\.csv: expected the axis window, found "rank"'):
        collect(results, EXPECTED)
