"""The pipelines under sweeps/: each stage depends on what it reads, and writes where its script does."""

import itertools
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from sedlib.base.described.description import description_of
from sedlib.grokking.interventions.cell_command import parse_cell
from sedlib.grokking.interventions.cells import Cell
from sedlib.grokking.setup.experiment import Experiment
from sedlib.grokking.setup.params import Params
from sedlib.grokking.setup.projection_params import ProjectionParams
from sedlib.grokking.study import Grokking
from sedlib.terms.condition import NEED_FINISHED_RUN
from sedlib.vectors import ParamLayout
from tests.imports import ROOT

FILES = sorted((ROOT / "sweeps").glob("*/dvc.yaml"))
FOUND = {
    f"{file.parent.name}-{name}": (file, stage.get("do", stage))
    for file in FILES
    for name, stage in YAML(typ="safe").load(file.read_text())["stages"].items()
}
STAGES = [pytest.param(*found, id=name) for name, found in FOUND.items()]
TRAINS = ("intervene.py", "constrain.py")
CELLS = [
    pytest.param(*found, id=name)
    for name, found in FOUND.items()
    if "matrix" in found[1]
    and found[1].get("wdir") == "../.."
    and any(script in str(found[1]["cmd"]) for script in TRAINS)
]
"""Stages of intervention cells that are trained with the parameters of the root."""
SHARED = {f"interventions.{name}" for name in ProjectionParams.model_fields}
OF_THE_FINISHED_RUN = {"geometry.curvature.eta", "geometry.curvature.components"}


def command(stage: dict[str, Any]) -> list[str]:
    """The words of what a stage calls, after the check of the parameters if there is one."""
    commands = stage["cmd"] if isinstance(stage["cmd"], list) else [stage["cmd"]]
    assert commands[:-1] in ([], ["sedlib check"])
    return str(commands[-1]).split()


@pytest.mark.parametrize(("file", "stage"), STAGES)
def test_a_stage_depends_on_the_code_of_its_script_alone(file: Path, stage: dict[str, Any]) -> None:
    folder = file.parent / stage.get("wdir", ".").replace("${item}", "0.001")
    script = (folder / command(stage)[1]).resolve()
    assert script.is_file()
    assert stage["desc"]
    code = [(folder / dep).resolve() for dep in stage["deps"] if "artifacts/code" in dep]
    assert code == [ROOT / "artifacts/code" / f"{script.stem}.txt"]


def cells(stage: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> list[tuple[Cell, str, str]]:
    """Of each stage in a matrix, what its script makes of the command: the cell, its table, and the table declared."""
    found = []
    for values in itertools.product(*stage["matrix"].values()):
        chosen = dict(zip(stage["matrix"], values, strict=True))

        def filled(text: str, chosen: dict[str, Any] = chosen) -> str:
            return re.sub(r"\$\{item\.(\w+)\}", lambda found: str(chosen[found[1]]), text)

        unpacked = [word for key, value in chosen.items() for word in (f"--{key}", str(value))]
        _, script, item, *arguments = command(stage)
        assert item == "${item}"
        monkeypatch.setattr(sys, "argv", [script, *unpacked, *arguments])
        cell, folder = parse_cell(script, None)
        declared, described = map(filled, stage["outs"])
        assert described == str(description_of(Path(declared)))
        found.append((cell, f"{folder}/{cell.name}.csv", declared))
    return found


@pytest.mark.parametrize(("file", "stage"), CELLS)
def test_a_cell_is_written_where_the_stage_says(
    file: Path, stage: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    params = Params.load(ROOT / "params.yaml")
    for cell, written, declared in cells(stage, monkeypatch):
        assert written == declared
        assert declared.startswith(f"sweeps/{file.parent.name}/results/")
        assert cell.run in params.runs


@pytest.mark.parametrize(("file", "stage"), CELLS)
def test_a_cell_depends_on_what_its_condition_reads(
    file: Path, stage: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (finished,) = {cell.condition in NEED_FINISHED_RUN for cell, _, _ in cells(stage, monkeypatch)}
    assert ("artifacts/checkpoints/${item.run}.h5" in stage["deps"]) == finished
    assert "artifacts/setup/${item.run}.txt" in stage["deps"]
    assert set(stage["params"]) == SHARED | (OF_THE_FINISHED_RUN if finished else set())
    assert stage["meta"] == {"gpu": True}


@pytest.mark.parametrize("folder", sorted((ROOT / "sweeps/learning_rates").glob("0*")), ids=lambda folder: folder.name)
def test_a_learning_rate_is_its_folders_name(folder: Path) -> None:
    params = Params.load(folder / "params.yaml")
    assert params.optimizer.lr == float(folder.name)
    committed = Params.load(ROOT / "params.yaml")
    assert params.model == committed.model
    assert params.runs["add-42"].seed == committed.runs["add-42"].seed


@pytest.mark.parametrize("folder", sorted((ROOT / "sweeps/acceleration").glob("lr*")), ids=lambda folder: folder.name)
def test_a_setting_is_its_folders_name(folder: Path) -> None:
    params = Params.load(folder / "params.yaml")
    assert folder.name == f"lr{params.optimizer.lr:g}-wd{params.optimizer.weight_decay:g}"
    assert {run: found.seed for run, found in params.runs.items()} == {f"add-{seed}": seed for seed in (42, 137, 2024)}


@pytest.mark.parametrize("name", ["mlp", "without_embeddings"])
def test_a_target_is_of_parameters_that_there_are(name: str) -> None:
    target = Params.load(ROOT / f"sweeps/acceleration/{name}/params.yaml").interventions.target
    names = ParamLayout.select(Grokking(Experiment.load("add-42", ROOT / "params.yaml")).network(), *target).names
    assert any("linear1" in parameter for parameter in names)
    assert "token" not in names
    assert any("self_attn" in parameter for parameter in names) == (name != "mlp")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_a_sweep_says_what_it_costs(file: Path) -> None:
    assert re.search(r"\d+ core minutes", (file.parent / "cost.txt").read_text())
