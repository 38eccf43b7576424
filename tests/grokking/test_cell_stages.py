"""The cells in Python are the matrices of dvc.yaml."""

import itertools
from typing import Any

from ruamel.yaml import YAML

from sedlib.grokking.interventions.cell_stages import cell_stages
from tests.imports import ROOT

RUNS, VARIED, COORDINATES = ["add-42", "mul-137"], ["add-42"], [0, 131]


def test_cells_and_their_stages_are_those_of_dvc() -> None:
    stages = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]
    known: dict[str, Any] = {
        "${interventions.runs}": RUNS,
        "${interventions.varied_runs}": VARIED,
        "${interventions.coordinates}": COORDINATES,
    }
    expected = {}
    for name in ("intervene", "intervene_control", "intervene_without_weight_decay", "intervene_rank"):
        axes = {
            axis: known[values] if isinstance(values, str) else values
            for axis, values in stages[name]["matrix"].items()
        }
        for chosen in itertools.product(*axes.values()):
            out = stages[name]["outs"][0]
            for axis, value in zip(axes, chosen, strict=True):
                out = out.replace(f"${{item.{axis}}}", str(value))
            cell = out.removeprefix("artifacts/results/interventions/").removesuffix(".csv")
            expected[cell] = f"{name}@{'-'.join(map(str, chosen))}"
    assert cell_stages(RUNS, VARIED, COORDINATES) == expected
