"""The numbers that DVC compares: few enough for a terminal, and those of metrics.json and of the run's summary."""

import json
from statistics import mean
from typing import Any

import pytest

from sedlib.report.judged.listing import claims
from sedlib.report.metrics.headline_numbers import report_headline, run_headline
from sedlib.report.numbers.paper import OPS
from tests.imports import ROOT

WIDTH_OF_A_TERMINAL = 160
BESIDE = len("  ├── 1234567 [w20]   ") + len("window   ")
"""An experiment's name, and a parameter that differs."""


SIX_DIGITS = 1e-5


def about(value: float) -> Any:
    return pytest.approx(value, rel=SIX_DIGITS)


@pytest.fixture(scope="module")
def numbers() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "reports/metrics.json").read_text())
    return found


def test_headlines_are_means_over_the_operations(numbers: dict[str, Any]) -> None:
    summary = claims(numbers)
    found = report_headline(numbers, list(summary["verdict"]).count("inside"))
    assert None not in found.values()
    assert found["gradient"] == about(mean(numbers["single_task"][op]["gradient_peak"]["mean"] for op in OPS))
    assert found["multi_total"] == about(mean(numbers["multitask"][op]["aggregate_final"]["mean"] for op in OPS))
    kept = numbers["interventions"]["gradient"]
    assert found["keep_random"] == about(mean(of_op["keep-random"]["speedup"] for of_op in kept.values()))
    assert found["lead"] == numbers["leads"]["single_task"]["mean"]
    assert found["inside"] == list(summary["verdict"]).count("inside")


def test_all_headlines_fit_beside_an_experiment_in_a_terminal(numbers: dict[str, Any]) -> None:
    """DVC shows five digits of a number, and three blanks between columns."""
    found = report_headline(numbers, 11)
    columns = [max(len(name), len(f"{value:.5g}")) + 3 for name, value in found.items()]
    assert BESIDE + sum(columns) <= WIDTH_OF_A_TERMINAL


def test_what_was_not_measured_has_no_headline() -> None:
    found = report_headline({}, 0)
    assert found.pop("inside") == 0
    assert set(found.values()) == {None}


def curve(plateau: float | None, peak: float) -> dict[str, float | None]:
    return {"plateau": plateau, "peak": peak, "final": 0.0}


def task(name: str, grok_step: int | None, plateau: float | None, peak: float) -> dict[str, Any]:
    streams = {
        f"gradient/{name} W=20": curve(plateau, peak),
        f"gradient/{name} W=1": curve(plateau, 2 * peak),
        "update W=20": curve(plateau, 3 * peak),
        "update W=1": curve(0.0, 0.0),
    }
    return {"grok_step": grok_step, "streams": streams}


def test_headlines_of_a_run_are_means_over_its_tasks_and_the_last_grok_step() -> None:
    tasks = {"add": task("add", 100, 1.0, 2.0), "mul": task("mul", 300, 3.0, 6.0)}
    assert run_headline({"ops": tasks}) == {
        "grok_step": 300,
        "gradient_plateau": 2,
        "gradient_peak": 4,
        "update_plateau": 2,
        "update_peak": 12,
        "w1_plateau": 2,
        "w1_peak": 8,
    }


def test_a_run_of_which_one_task_never_groks_has_no_grok_step() -> None:
    found = run_headline({"ops": {"add": task("add", 100, 1.0, 2.0), "mul": task("mul", None, None, 6.0)}})
    assert found["grok_step"] is None
    assert found["gradient_plateau"] is None
    assert found["gradient_peak"] == 4
