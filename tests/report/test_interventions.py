import math
from pathlib import Path

import pandas as pd
import pytest

from sedlib.base.errors import UserError
from sedlib.report.metrics.cell_metrics import of_conditions
from sedlib.report.numbers.cell_results import (
    as_text,
    grok_steps,
    intervention_table,
    rank_curve,
    read_cell,
    without_weight_decay,
)
from tests.report.made_up import save_cell


def write(folder: Path, condition: str, seed: int, grok: int | None, **labels: object) -> None:
    """A cell that groks at ``grok``: accuracy 0.6 at the checkpoint before."""
    values = {"projection": "update", "coordinates": None, "weight_decay": None, **labels}
    steps = list(range(0, 401, 100))
    rows = [
        {
            "run": f"add-{seed}",
            "condition": condition,
            **values,
            "seed": seed,
            "max_steps": 400,
            "step": step,
            "op": "add",
            "test_accuracy": 0.1 if grok is None or step < grok - 100 else 0.6 if step < grok else 0.99,
            "train_accuracy": step / 400,
            "passed": None if step == 0 else 0.25,
            "overlap": 0.9 + step / 10_000 if "sed" in condition else None,
        }
        for step in steps
    ]
    save_cell(pd.DataFrame(rows), folder)


def read(folder: Path) -> list[pd.DataFrame]:
    return [read_cell(file) for file in sorted(folder.glob("*.csv"))]


@pytest.fixture
def cells(tmp_path: Path) -> pd.DataFrame:
    for seed, control, kept in ((42, 400, 100), (137, 300, 300)):
        write(tmp_path, "control", seed, control, projection=None)
        write(tmp_path, "keep-sed", seed, kept)
    write(tmp_path, "freeze", 42, None)
    write(tmp_path, "freeze", 137, 200)
    write(tmp_path, "freeze", 42, 200, projection="gradient")
    write(tmp_path, "keep-random", 42, 200, coordinates=3)
    write(tmp_path, "keep-random", 42, 400, coordinates=131)
    write(tmp_path, "control", 42, None, projection=None, weight_decay=0.0)
    return grok_steps(read(tmp_path), 0.98)


def test_a_cell_has_its_grok_steps_and_what_passed(cells: pd.DataFrame) -> None:
    (cell,) = cells[(cells["condition"] == "keep-sed") & (cells["seed"] == 137)].to_dict("records")
    assert (cell["grok_step"], cell["grok_step_0.5"], cell["grok_step_0.95"]) == (300, 200, 300)
    assert cell["outcome"] == "300"
    assert cell["train_accuracy"] == 1
    assert cell["passed"] == pytest.approx(0.25)
    assert cell["overlap"] == pytest.approx(0.94)


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ([0.85, 0.25, 0.35], 0.3),  # natural steps end within the first interval
        ([1, 1, 0.25, 0.35], 0.35),  # and with the second
        ([1, 0.85, 0.25, 0.35], 0.3),
        ([1, 1, 1, 1], 1),
    ],
    ids=str,
)
def test_natural_steps_count_for_nothing_in_the_share_that_passes(
    tmp_path: Path, shares: list[float], expected: float
) -> None:
    write(tmp_path, "keep-random", 42, None)
    table = read(tmp_path)[0].iloc[: len(shares) + 1].assign(passed=[math.nan, *shares])
    assert grok_steps([table], 0.98)["passed"].item() == pytest.approx(expected)


def test_a_table_has_means_and_speedups_by_hand(cells: pd.DataFrame) -> None:
    table = intervention_table(cells, "add", "update").set_index("condition")
    assert list(table.index) == ["control", "keep-sed", "freeze"]
    assert table.loc[["control"], ["42", "137", "mean"]].to_numpy().tolist() == [["400", "300", 350]]
    kept = table.loc[["keep-sed"], ["mean", "speedup", "speedup_low", "speedup_high", "n"]]
    assert kept.to_numpy().tolist() == [[200, 2.5, None, None, 2]]  # two seeds have no interval


def test_a_cell_that_is_accurate_before_training_has_no_speedup(tmp_path: Path) -> None:
    """A ratio to step 0 is none: it is missing, and the seeds that have one stay."""
    for seed, kept in ((42, 0), (137, 200)):
        write(tmp_path, "control", seed, 400, projection=None)
        write(tmp_path, "keep-sed", seed, kept)
        write(tmp_path, "keep-random", seed, kept, coordinates=3)
    found = grok_steps(read(tmp_path), 0.98)
    row = intervention_table(found, "add", "update").set_index("condition").loc["keep-sed"]
    assert (row["42"], row["mean"], row["speedup"], row["n"]) == ("0", 100, 2, 1)
    assert rank_curve(found)["speedup"].dropna().tolist() == [2]
    speedups = of_conditions(found)["update"]["add"]["keep-sed"]
    assert (speedups["speedup"], speedups["speedup_n"]) == (2, 1)


def test_three_seeds_have_an_interval(tmp_path: Path) -> None:
    for seed, kept in ((42, 200), (137, 200), (2024, 100)):
        write(tmp_path, "control", seed, 400, projection=None)
        write(tmp_path, "keep-sed", seed, kept)
    table = intervention_table(grok_steps(read(tmp_path), 0.98), "add", "update").set_index("condition")
    found = table.loc[["keep-sed"], ["speedup", "speedup_low", "speedup_high", "n"]].to_numpy().tolist()
    assert found == [[pytest.approx(8 / 3), 2, 4, 3]]


def test_what_never_groks_says_so_and_has_no_mean(cells: pd.DataFrame) -> None:
    frozen = intervention_table(cells, "add", "update").set_index("condition").loc["freeze"]
    assert frozen["42"] == "not within 400 steps"
    assert pd.isna(frozen["mean"])
    assert (frozen["speedup"], frozen["n"]) == (1.5, 1)
    assert without_weight_decay(cells)["outcome"].tolist() == ["not within 400 steps"]


def test_a_condition_that_is_new_is_not_left_out(tmp_path: Path) -> None:
    write(tmp_path, "control", 42, 400, projection=None)
    write(tmp_path, "keep-half", 42, 200)
    table = intervention_table(grok_steps(read(tmp_path), 0.98), "add", "update")
    assert table["condition"].tolist() == ["control", "keep-half"]


def test_projections_do_not_mix(cells: pd.DataFrame) -> None:
    table = intervention_table(cells, "add", "gradient").set_index("condition")
    assert table.loc["freeze", "42"] == "200"
    assert "keep-sed" not in table.index


def test_rank_curve_is_ordered_and_relative_to_the_control(cells: pd.DataFrame) -> None:
    curve = rank_curve(cells)
    assert curve["coordinates"].tolist() == [3, 131]
    assert curve["speedup"].tolist() == [2, 1]


def test_text_shows_every_table(cells: pd.DataFrame) -> None:
    text = as_text(cells)
    for title in ("add, update projection", "add, gradient projection", "weight decay 0", "coordinates kept"):
        assert title in text


def test_no_tables_name_the_stage(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="run `dvc repro interventions"):
        grok_steps(read(tmp_path), 0.98)
