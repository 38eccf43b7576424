"""Claims that only sweeps judge: known answers, and what is missing."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from sedlib.report.sweeps.sweep_claims import SUPPRESSION, sweep_claims
from tests.imports import ROOT

LATER, AT_RANDOM, WHOLE, KICKS, RANDOM_KICKS, EXPONENT, HIGH_RATE = range(7)
CONTROL = 1000.0


def cell(condition: str, steps: list[float | None], **place: float) -> dict[str, Any]:
    ratios = [CONTROL / step for step in steps if step is not None]
    ends = {"speedup_low": min(ratios), "speedup_high": max(ratios)} if len(ratios) == 3 else {}
    said = ["not within 8000 steps" if step is None else step for step in steps]
    seeds = dict(zip(("42", "137", "2024"), said, strict=True))
    mean = {"speedup": sum(ratios) / len(ratios)} if ratios else {}
    return {"op": "add", "condition": condition, **place, **seeds, **mean, **ends, "n": len(ratios)}


CELLS = [
    cell("keep-execution", [1100, 1150, 1200], strength=0.25),
    cell("keep-execution", [1300, 1400, 1500], strength=0.5),
    cell("keep-execution", [2000, 2500, None], strength=0.75),
    cell("keep-execution", [None, None, None], strength=1),
    cell("keep-fixed-random", [1000, 1010, 1020], strength=0.25),
    cell("keep-fixed-random", [None, None, None], strength=1),
    cell("kick", [1000, 990, 980], size=50),
]


def verdict(folder: Path, cells: list[dict[str, Any]], claim: int) -> str:
    table = folder / SUPPRESSION
    table.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(cells).to_csv(table, index=False)
    return str(sweep_claims(folder)["verdict"][claim])


def changed(place: int, cell: dict[str, Any]) -> list[dict[str, Any]]:
    return [*CELLS[:place], cell, *CELLS[place + 1 :]]


def test_what_the_companion_says_of_suppression_and_kicks(tmp_path: Path) -> None:
    assert verdict(tmp_path, CELLS, LATER) == "same direction"
    assert verdict(tmp_path, CELLS, AT_RANDOM) == "inside"
    assert verdict(tmp_path, CELLS, WHOLE) == "same direction"
    assert verdict(tmp_path, CELLS, KICKS) == "inside"
    here = sweep_claims(tmp_path)["here"]
    assert here[LATER] == "add 0.25: 0.871 [0.833, 0.909], 0.5: 0.717 [0.667, 0.769], 0.75: 0.45 (2 of 3 grok)"
    assert here[WHOLE] == "0 of 6 runs grok"


@pytest.mark.parametrize(
    ("place", "cell", "claim"),
    [
        (1, cell("keep-execution", [1300, 1150, 1500], strength=0.5), LATER),  # one seed is no later than at 0.25
        (2, cell("keep-execution", [None, 1400, None], strength=0.75), LATER),
        (4, cell("keep-fixed-random", [1200, 1210, 1220], strength=0.25), AT_RANDOM),
        (5, cell("keep-fixed-random", [None, 7000, None], strength=1), WHOLE),
        (6, cell("kick", [850, 860, 870], size=500), KICKS),
    ],
)
def test_one_cell_contradicts(place: int, cell: dict[str, Any], claim: int, tmp_path: Path) -> None:
    assert verdict(tmp_path, changed(place, cell), claim) == "contradicted"


def test_leads_at_other_rates(tmp_path: Path) -> None:
    folder = tmp_path / "sweeps/learning_rates"
    folder.mkdir(parents=True)
    for low, said in ((1.2, "inside"), (1.5, "outside")):
        fitted = {"exponent": low + 0.1, "low": low, "high": low + 0.2, "n": 3}
        (folder / "scaling.json").write_text(json.dumps(fitted))
        assert sweep_claims(tmp_path)["verdict"][EXPONENT] == said
    for lead, said in (("", "same direction"), ("-96", "same direction"), ("20", "contradicted")):
        (folder / "leads.csv").write_text(f"lr,lead\n0.001,1000\n0.01,{lead}\n")
        assert sweep_claims(tmp_path)["verdict"][HIGH_RATE] == said


def test_a_sweep_that_did_not_run_judges_nothing(tmp_path: Path) -> None:
    assert set(sweep_claims(tmp_path)["verdict"]) == {"not run"}
    assert "not run" not in set(sweep_claims(ROOT)["verdict"])
