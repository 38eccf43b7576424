"""A run's text changes with what the run is, and with nothing that another run is."""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from sedlib.base.errors import UserError
from sedlib.grokking.setup.experiment import Experiment
from sedlib.grokking.setup.fingerprint import OPERATIONS_FILE, operation_sources, run_text
from sedlib.grokking.setup.operations import OPERATIONS
from tests.imports import ROOT
from tests.tiny import TINY

SOURCE = (ROOT / OPERATIONS_FILE).read_text()
RUNS: dict[str, Any] = {
    "add-1": {"ops": ["add"], "seed": 1},
    "mul-1": {"ops": ["mul"], "seed": 1},
    "both-1": {"ops": ["add", "mul"], "seed": 1},
    "own-1": {"ops": ["sub"], "seed": 1, "weight_decay": 0.5},
}


def texts(folder: Path, source: str = SOURCE, /, **changes: Any) -> dict[str, str]:
    """The text of every run, from a parameter file with ``changes`` at top level, and a table of operations."""
    path = folder / "params.yaml"
    YAML().dump({**TINY, "runs": RUNS, **changes}, path)
    operations = operation_sources(source)
    return {run: run_text(Experiment.load(run, path), operations) for run in {**RUNS, **changes.get("runs", {})}}


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {run for run, text in before.items() if after[run] != text}


def replaced(source: str, old: str, new: str) -> str:
    assert source.count(old) == 1
    return source.replace(old, new)


def test_every_operation_has_its_line() -> None:
    found = operation_sources(SOURCE)
    assert list(found) == list(OPERATIONS)
    assert found["add"] == 'Operation("a + b", lambda a, b: a + b)'
    for op, text in found.items():
        made = eval(text, {"Operation": type(OPERATIONS[op])})
        assert made.formula == OPERATIONS[op].formula
        assert [made.apply(a, 3) for a in range(9)] == [OPERATIONS[op].apply(a, 3) for a in range(9)]


def test_a_text_holds_the_parameters_and_the_lines_of_the_runs_own_operations(tmp_path: Path) -> None:
    first, *lines = texts(tmp_path)["both-1"].splitlines()
    assert Experiment.model_validate_json(first) == Experiment.load("both-1", tmp_path / "params.yaml")
    assert [line.split()[0] for line in lines] == ["add", "mul"]
    assert lines[1].startswith('mul Operation("a · b", lambda a, b: a * b, nonzero=True')


@pytest.mark.parametrize("before", ["add", "mul", None])
def test_a_new_operation_changes_no_run(tmp_path: Path, before: str | None) -> None:
    new = '    "div": Operation("a / b", lambda a, b: a // b),\n'
    place = "\n}\n" if before is None else f'    "{before}": '
    source = replaced(SOURCE, place, f"\n{new}}}\n" if before is None else f"{new}{place}")
    assert "div" in operation_sources(source)
    assert texts(tmp_path, source) == texts(tmp_path)


def test_words_and_alignment_change_no_run(tmp_path: Path) -> None:
    source = replaced(SOURCE, '    "add": Operation("a + b", ', '    # the sum\n    "add":  Operation("a + b",   ')
    assert texts(tmp_path, source.replace('"""The', '"""These are the')) == texts(tmp_path)


def test_another_formula_changes_the_runs_that_have_it_and_no_others(tmp_path: Path) -> None:
    source = replaced(SOURCE, "lambda a, b: a + b)", "lambda a, b: b + a)")
    assert changed(texts(tmp_path), texts(tmp_path, source)) == {"add-1", "both-1"}


def test_another_run_changes_no_run(tmp_path: Path) -> None:
    more = {**RUNS, "sub-1": {"ops": ["sub"], "seed": 1}}
    assert changed(texts(tmp_path), texts(tmp_path, runs=more)) == set()


def test_a_runs_own_weight_decay_hides_the_optimizers(tmp_path: Path) -> None:
    other = {**TINY["optimizer"], "weight_decay": 0.1}
    assert changed(texts(tmp_path), texts(tmp_path, optimizer=other)) == {"add-1", "mul-1", "both-1"}


def test_parameters_of_the_analysis_change_no_run(tmp_path: Path) -> None:
    assert texts(tmp_path, window=2, probes={"count": 8, "seed": 1}) == texts(tmp_path)


@pytest.mark.parametrize(
    ("section", "values"),
    [
        ("model", {"layers": 1}),
        ("data", {"p": 11}),
        ("optimizer", {"lr": 0.02}),
        ("stopping", {"accuracy": 0.9}),
    ],
)
def test_parameters_that_all_runs_share_change_all(tmp_path: Path, section: str, values: dict[str, Any]) -> None:
    other = texts(tmp_path, SOURCE, **{section: {**TINY[section], **values}})
    assert changed(texts(tmp_path), other) == set(RUNS)


@pytest.mark.parametrize(
    "source",
    [
        "OPERATIONS = {NAME: 1}\n",
        'OPERATIONS = {**OTHERS, "add": 1}\n',
        "OPERATIONS = {1: 1}\n",
        "OPERATIONS = dict(add=1)\n",
        '"""No table."""\n',
    ],
)
def test_a_table_whose_keys_are_no_names_is_refused(source: str) -> None:
    with pytest.raises(UserError, match="expected a table OPERATIONS whose keys are names"):
        operation_sources(source)


@pytest.mark.parametrize("code", ["def doubled(a):\n    return 2 * a\n", "FACTOR = 2\n", "OTHERS = {'add': 1}\n"])
def test_code_that_no_line_would_show_is_refused(code: str) -> None:
    """A run depends on its lines alone: what else stood in the file could change an operation unseen."""
    with pytest.raises(UserError, match=r"beside the table OPERATIONS stands code in line 8; put it into another"):
        operation_sources(replaced(SOURCE, "OPERATIONS = {", f"{code}\n\nOPERATIONS = {{"))
