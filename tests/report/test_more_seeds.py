"""Seeds that settle what three leave open: which runs count, and what is said of a number with and without them."""

from pathlib import Path

import pandas as pd
import pytest
from ruamel.yaml import YAML

from sedlib.base.errors import UserError
from sedlib.grokking.setup.like_the_root import require_like_the_root, runs_of
from sedlib.grokking.setup.params import Params
from sedlib.report.numbers.paper import Reported, exactly
from sedlib.report.numbers.seeds import Estimate
from sedlib.report.sweeps.more_seeds import Counted, more_seeds, peaks, per_example, ranks, settled_with
from tests.imports import ROOT

SWEEP = ROOT / "sweeps/more_seeds"
RANGE = Reported(110.0, 330.0, "section 3")


def coupling(gradient: float, update: float) -> pd.DataFrame:
    """R̄ of the window rises to these values, that of one gradient to more."""
    return pd.DataFrame(
        [
            {"step": step, "stream": stream, "window": window, "op": "sub", "direction": 1, "ratio": ratio * share}
            for stream, window, ratio in (
                ("gradient/sub", 20, gradient),
                ("gradient/sub", 1, 900),
                ("update", 20, update),
            )
            for step, share in ((0, 0.5), (25, 1.0), (50, 0.75))
        ]
    )


def test_peaks_are_of_the_longest_window() -> None:
    tables = {42: coupling(200, 8), 7: coupling(150, 5)}
    assert peaks("sub", tables, "gradient-peak").by_seed == {42: 200, 7: 150}
    found = peaks("sub", tables, "gradient-over-update")
    assert found.by_seed == {42: 25, 7: 30}
    assert found.reported == Reported(30.0, 100.0, "sections 2 and 3, gradient SED's peak over update SED's")
    without = coupling(1, 1).query("stream != 'update'")
    with pytest.raises(UserError, match=r"no coupling of update on sub; run `dvc repro sweeps/more_seeds"):
        peaks("sub", {42: without}, "gradient-over-update")


def single_step(ratio: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    place = {"phase": "after", "step": 40, "op": "add"}
    ratios = [
        {**place, "estimator": name, "centroid": kind, "ratio": ratio + add}
        for name in ("per-example", "mean-gradient", "window")
        for kind in ("logit", "full")
        for add in (-1, 1)
    ]
    angles = [{**place, "first": "per-example", "second": "mean-gradient", "first_cosine": 0.5}]
    return pd.DataFrame(ratios), pd.DataFrame(angles)


def test_numbers_of_single_checkpoints_are_those_after_grokking() -> None:
    assert per_example({42: single_step(400), 7: single_step(100)}).by_seed == {42: 400, 7: 100}
    readouts = {"row_cosine": 0.5, "top1_cosine": 0.5, "top3_cosine": 0.5}
    centroids = pd.DataFrame(
        [
            {"step": 40, "op": "add", "centroid": kind, "rank90": rank, **readouts}
            for kind, rank in (("logit", 23), ("full", 18))
        ]
    )
    simplified, full = ranks({42: (centroids, single_step(1)[0])})
    assert (simplified.by_seed, full.by_seed) == ({42: 23}, {42: 18})
    assert simplified.quantity == "rank-90 of the simplified centroid after grokking, add"
    never = single_step(1)[0].assign(phase="mid")
    with pytest.raises(UserError, match="expected one checkpoint after grokking, got 0"):
        per_example({42: (never, single_step(1)[1])})


def test_more_seeds_may_change_a_verdict() -> None:
    first = {42: 100.0, 137: 105.0, 2024: 115.0}
    more = {**first, **dict.fromkeys(range(1, 12), 100.0)}
    (row,) = more_seeds([Counted("gradient-peak", "peak R̄", RANGE, more)]).to_dict("records")
    assert (row["verdict on them"], row["verdict"]) == ("inside", "same direction")
    assert row["the paper's seeds"] == "107 [100, 115]"
    assert row["n"] == 14
    assert row["settled with"] == "decided"


def test_all_of_the_papers_seeds_and_others_must_be_there() -> None:
    values = {42: 1.0, 137: 2.0, 2024: 3.0}
    with pytest.raises(UserError, match=r"peak: no seed beside \(42, 137, 2024\)"):
        more_seeds([Counted("claim", "peak", RANGE, values)])
    with pytest.raises(UserError, match="peak: no run of seed 137; run `dvc repro`"):
        more_seeds([Counted("claim", "peak", RANGE, {42: 1.0, 7: 2.0, 8: 3.0})])


def test_what_an_interval_decides() -> None:
    assert settled_with(Estimate(200.0, 150.0, 250.0, 5), RANGE) == "decided"
    assert settled_with(Estimate(90.0, 80.0, 100.0, 5), RANGE) == "decided"  # outside, for certain
    assert settled_with(Estimate(115.0, 100.0, 130.0, 5), RANGE) == "48"
    assert settled_with(Estimate(110.0, 100.0, 120.0, 5), RANGE) == "more than 1,000"
    assert settled_with(Estimate(431.0, 400.0, 460.0, 5), exactly(431.0, "Table 3")) == "decided"
    with pytest.raises(ValueError, match="an interval takes three seeds"):
        settled_with(Estimate(1.0, None, None, 1), RANGE)


def params(folder: Path, **changed: object) -> None:
    folder.mkdir(exist_ok=True)
    values = {"runs": {"add-1": {"ops": ["add"], "seed": 1}}} | changed
    with (folder / "params.yaml").open("w") as file:
        YAML(typ="safe").dump(values, file)


def test_a_sweep_must_be_like_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    params(Path())
    sweep = Path("more")
    params(sweep, runs={"add-2": {"ops": ["add"], "seed": 2}}, ablation={"window": [20]})
    require_like_the_root(sweep)
    with pytest.raises(UserError, match=r"more: 'add-3' is no run of its params\.yaml"):
        require_like_the_root(sweep, ["add-3"])
    assert runs_of(sweep / "params.yaml", "add", ["add-2"]) == {}
    params(sweep, window=5, runs={"add-2": {"ops": ["add"], "seed": 2}})
    with pytest.raises(UserError, match="more: window must be as in the root, 20, got 5"):
        require_like_the_root(sweep)
    params(sweep, runs={"add-2": {"ops": ["add"], "seed": 1}})
    with pytest.raises(UserError, match="more: add-2 has seed 1, which a run of the root has"):
        require_like_the_root(sweep)
    params(sweep, runs={"a": {"ops": ["add"], "seed": 2}, "b": {"ops": ["add"], "seed": 2, "max_steps": 4000}})
    with pytest.raises(UserError, match="runs of add must have different seeds, got 2, 2"):
        require_like_the_root(sweep)


def test_controls_and_multitask_runs_do_not_count(tmp_path: Path) -> None:
    runs = {
        "add-1": {"ops": ["add"], "seed": 1},
        "add-1-wd0": {"ops": ["add"], "seed": 1, "weight_decay": 0.0},
        "both-1": {"ops": ["add", "sub"], "seed": 1},
    }
    params(tmp_path, runs=runs)
    assert runs_of(tmp_path / "params.yaml", "add") == {"add-1": 1}


def test_the_sweep_is_like_the_root_and_its_last_stage_reads_every_run_that_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    require_like_the_root(Path("sweeps/more_seeds"))
    stages = YAML(typ="safe").load((SWEEP / "dvc.yaml").read_text())["stages"]
    counted = {run for op in ("add", "sub", "mul") for run in runs_of(Path("params.yaml"), op)}
    deps = {Path(dep).name for dep in stages["seeds"]["deps"] if dep.startswith("artifacts/results/")}
    assert deps == counted
    runs = set(Params.load(SWEEP / "params.yaml").runs)
    assert set(stages["train"]["foreach"]) == runs
    assert set(stages["single_step"]["foreach"]) == {run for run in runs if run.startswith("add")} - {"add-43"}
    assert stages["seeds"]["cmd"].endswith("--without add-43")
    assert set(stages["windows"]["foreach"]) == {run for run in runs if not run.startswith("add")}
    assert set(Params.load().single_step.runs) == set(runs_of(Path("params.yaml"), "add"))
