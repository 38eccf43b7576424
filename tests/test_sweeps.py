"""The pipelines under sweeps/: each stage depends on what it reads, and writes where its script does."""

import itertools
import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from sedlib.grokking.interventions.cells import Cell, script_of
from sedlib.grokking.setup.params import Params
from tests.imports import ROOT, import_closure

FILES = sorted((ROOT / "sweeps").glob("*/dvc.yaml"))
FOUND = {
    f"{file.parent.name}-{name}": (file, stage.get("do", stage))
    for file in FILES
    for name, stage in YAML(typ="safe").load(file.read_text())["stages"].items()
}
STAGES = [pytest.param(*found, id=name) for name, found in FOUND.items()]
CELLS = [
    pytest.param(*found, id=name)
    for name, found in FOUND.items()
    if any(script in str(found[1]["cmd"]) for script in ("intervene.py", "constrain.py"))
]


def command(stage: dict[str, Any]) -> list[str]:
    """The words of what a stage calls, after the check of the parameters if there is one."""
    commands = stage["cmd"] if isinstance(stage["cmd"], list) else [stage["cmd"]]
    assert commands[:-1] in ([], ["sedlib check"])
    return str(commands[-1]).split()


@pytest.mark.parametrize(("file", "stage"), STAGES)
def test_a_stage_depends_on_exactly_the_code_it_imports(file: Path, stage: dict[str, Any]) -> None:
    folder = file.parent / stage.get("wdir", ".").replace("${item}", "0.001")
    script = (folder / command(stage)[1]).resolve()
    declared = {(folder / dep).resolve() for dep in stage["deps"] if dep.endswith(".py")}
    assert declared == {script} | import_closure(script)


@pytest.mark.parametrize(("file", "stage"), CELLS)
def test_a_cell_is_written_where_the_stage_says(file: Path, stage: dict[str, Any]) -> None:
    params = Params.load(ROOT / "params.yaml")
    for values in itertools.product(*stage["matrix"].values()):
        chosen = dict(zip(stage["matrix"], values, strict=True))

        def filled(text: str, chosen: dict[str, Any] = chosen) -> str:
            return re.sub(r"\$\{item\.(\w+)\}", lambda found: str(chosen[found[1]]), text)

        _, script, run, intervention, *rest = [filled(word) for word in command(stage)]
        options = dict(zip(rest[::2], rest[1::2], strict=True))
        folder = options.pop("--folder")
        number = {"--rank": int, "--start": int, "--strength": float, "--size": float}
        given = {key.strip("-"): number.get(key, str)(value) for key, value in options.items()}
        cell = Cell.of(run, intervention, **given)
        assert [filled(out) for out in stage["outs"]] == [f"{folder}/{cell.name}.csv"]
        assert folder == f"sweeps/{file.parent.name}/results"
        assert ("artifacts/checkpoints/${item.run}.h5" in stage["deps"]) == (script == "stages/constrain.py")
        assert script == script_of(cell.condition)
        assert run in params.runs


@pytest.mark.parametrize("folder", sorted((ROOT / "sweeps/learning_rates").glob("0*")), ids=lambda folder: folder.name)
def test_a_learning_rate_is_its_folders_name(folder: Path) -> None:
    params = Params.load(folder / "params.yaml")
    assert params.optimizer.lr == float(folder.name)
    committed = Params.load(ROOT / "params.yaml")
    assert params.model == committed.model
    assert params.runs["add-42"].seed == committed.runs["add-42"].seed


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_a_sweep_says_what_it_costs(file: Path) -> None:
    assert re.search(r"\d+ core minutes", (file.parent / "cost.txt").read_text())
