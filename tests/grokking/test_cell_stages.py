"""The cells in Python are the matrices of interventions/dvc.yaml; lists that cannot be are refused."""

import itertools
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from sedlib.grokking.interventions.cell_stages import STAGES, cell_stages
from sedlib.grokking.setup.intervention_params import InterventionParams
from sedlib.grokking.setup.projection_params import ProjectionParams
from sedlib.pipeline.parameters.sections import ParamsError, validated
from tests.imports import ROOT

PARAMS = InterventionParams(
    runs=["add-42", "mul-137"],
    conditions=["keep-sed", "keep-sed-raw", "freeze"],
    projections=["update", "gradient"],
    varied_runs=["add-42"],
    without_weight_decay=["control", "gradient-freeze"],
    coordinates=[0, 131],
)


def test_cells_and_their_stages_are_those_of_dvc() -> None:
    stages = YAML(typ="safe").load((ROOT / STAGES).read_text())["stages"]
    known: dict[str, Any] = {f"${{interventions.{name}}}": values for name, values in PARAMS}
    expected = {}
    for name in ("intervene", "control", "without_weight_decay", "coordinates"):
        matrix = stages[name]["matrix"]
        for chosen in itertools.product(*(known[values] for values in matrix.values())):
            out = stages[name]["outs"][0]
            for axis, value in zip(matrix, chosen, strict=True):
                out = out.replace(f"${{item.{axis}}}", str(value))
            cell = out.removeprefix("artifacts/results/interventions/").removesuffix(".csv")
            expected[cell] = f"{STAGES}:{name}@{'-'.join(map(str, chosen))}"
    assert cell_stages(PARAMS) == expected


def test_a_cell_has_the_stage_that_its_values_name() -> None:
    found = cell_stages(PARAMS)
    assert len(found) == 2 * (1 + 2 * 3) + 2 + 2
    assert found["add-42-control"] == "interventions/dvc.yaml:control@add-42"
    assert found["mul-137-gradient-keep-sed-raw"] == "interventions/dvc.yaml:intervene@mul-137-gradient-keep-sed-raw"
    assert found["add-42-control-wd0"] == "interventions/dvc.yaml:without_weight_decay@add-42-control"
    assert found["add-42-update-coordinates-131"] == "interventions/dvc.yaml:coordinates@add-42-131"


@pytest.mark.parametrize(
    ("key", "values", "message"),
    [
        ("conditions", ["keep-all"], "unknown condition 'keep-all'; choose from remove-sed, .*, freeze$"),
        ("conditions", ["control"], "control projects nothing; every run has it once without being listed; choose"),
        ("conditions", ["kick"], "kick needs the checkpoints of the finished run, .*; choose from remove-sed, "),
        ("conditions", ["keep-execution"], "keep-execution needs the checkpoints of the finished run"),
        ("conditions", ["freeze", "freeze"], "freeze is repeated; name each condition once"),
        ("projections", ["step"], "projections.0 = 'step' must be 'update' or 'gradient'"),
        ("without_weight_decay", ["freeze"], "unknown intervention 'freeze'; choose from control, update-remove-sed,"),
        ("without_weight_decay", ["update-keep-execution"], "update-keep-execution needs the checkpoints"),
    ],
)
def test_a_list_that_cannot_be_is_refused_with_what_is_allowed(key: str, values: list[str], message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        validated(InterventionParams, {key: values}, Path("params.yaml"))


def test_cells_read_what_they_share_alone(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("interventions: {window: 5, rank: 2, conditions: [not yet known]}")
    assert ProjectionParams.load(path) == ProjectionParams(window=5, rank=2)
    path.write_text("interventions: {rank: 30}")
    with pytest.raises(ParamsError, match="rank = 30 exceeds window = 20"):
        ProjectionParams.load(path)
