from pathlib import Path

import pandas as pd
import pytest

from sedlib.base.errors import UserError
from sedlib.report.numbers.results import RunFolder, RunResults, grok_step, mean_ratios
from sedlib.report.numbers.summary import as_text, summarise


def results(accuracy: list[float]) -> RunResults:
    """Five checkpoints of one operation; two streams, the update's window whole from step 20 on."""
    steps = [0, 10, 20, 30, 40]
    training = pd.DataFrame({"step": steps, "op": "add", "test_accuracy": accuracy, "train_accuracy": 1.0})
    ratios = {
        ("update", 2): {20: [4.0, 6.0], 25: [6.0, 6.0], 30: [8.0, 10.0], 40: [1.0, 3.0]},
        ("gradient/add", 2): {20: [40.0, 60.0], 30: [70.0, 90.0], 40: [100.0, 200.0]},
        ("gradient/add", 1): {0: [500.0], 20: [60.0], 30: [70.0], 40: [300.0]},
    }
    rows = [
        {"op": "add", "stream": stream, "window": window, "step": step, "direction": i, "ratio": ratio}
        for (stream, window), curve in ratios.items()
        for step, values in curve.items()
        for i, ratio in enumerate(values, 1)
    ]
    empty = pd.DataFrame()
    return RunResults(training, empty, empty, pd.DataFrame(rows))


def test_grok_step_is_the_first_checkpoint_at_the_threshold() -> None:
    training = results([0.0, 0.6, 0.98, 0.9, 1.0]).training
    assert grok_step(training, "add", 0.98) == 20
    assert grok_step(training, "add", 0.5) == 10
    assert grok_step(training, "add", 0.999) == 40


def test_mean_ratio_is_over_the_directions_of_a_basis() -> None:
    ratios = mean_ratios(results([0.0] * 5).coupling).set_index(["stream", "window", "step"])["ratio"]
    assert ratios["update", 2, 20] == 5
    assert ratios["gradient/add", 1, 40] == 300


def test_plateau_peak_and_final_by_hand() -> None:
    summary = summarise(results([0.0, 0.1, 0.5, 0.99, 1.0]), {"seed": 42, "weight_decay": None}, 0.98)["ops"]["add"]
    assert summary["grok_step"] == 30
    assert summary["grok_step_by_threshold"] == {"0.5": 20, "0.95": 30, "0.98": 30}
    assert summary["streams"] == {
        "update W=2": {"plateau": 6.0, "peak": 9.0, "final": 2.0},
        "gradient/add W=2": {"plateau": 65.0, "peak": 150.0, "final": 150.0},
        "gradient/add W=1": {"plateau": 70.0, "peak": 500.0, "final": 300.0},
    }
    assert "reason" not in summary


def test_a_run_that_never_groks_is_null_with_a_reason() -> None:
    summary = summarise(results([0.0, 0.1, 0.2, 0.3, 0.4]), {"seed": 42, "weight_decay": None}, 0.98)
    add = summary["ops"]["add"]
    assert add["grok_step"] is None
    assert add["streams"]["update W=2"] == {"plateau": None, "peak": 9.0, "final": 2.0, "reason": "never groks"}
    assert add["reason"] == "test accuracy reached 0.400, not 0.98, within 40 steps"
    assert "never groks (test accuracy reached 0.400" in as_text("add-42", summary)


def test_a_plateau_before_any_whole_window_is_null_with_a_reason() -> None:
    add = summarise(results([0.0, 0.99, 1.0, 1.0, 1.0]), {"seed": 42, "weight_decay": None}, 0.98)["ops"]["add"]
    assert add["grok_step"] == 10
    update = add["streams"]["update W=2"]
    assert (update["plateau"], update["reason"]) == (None, "no whole window before the grok step")


def test_text_lists_every_stream() -> None:
    text = as_text("add-42", summarise(results([0.0, 0.1, 0.5, 0.99, 1.0]), {"seed": 42, "weight_decay": None}, 0.98))
    assert "add: groks at step 30, trained to step 40" in text
    (line,) = [line for line in text.splitlines() if "gradient/add W=2" in line]
    assert line.split()[-3:] == ["65", "150", "150"]


def test_missing_tables_name_the_stage(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"training.csv is missing; run `dvc repro train@"):
        RunResults.load(RunFolder(tmp_path))
