"""Windows along a run from its checkpoints alone, and peaks by the steps since grokking."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sedlib.grokking.setup.params import Params
from sedlib.pipeline.coupling.along_run import measure_windows
from sedlib.pipeline.coupling.examples_along_run import measure_examples
from sedlib.pipeline.coupling.measurement import measure_coupling
from sedlib.pipeline.coupling.single_checkpoints import measure_single_steps
from sedlib.pipeline.parameters.phase_params import PhaseParams
from sedlib.pipeline.rows.bases_file import read_bases
from sedlib.pipeline.rows.streams import read_streams
from sedlib.report.numbers.seeds import estimate
from sedlib.report.sweeps.growth_since_grok import growth_curve, growth_sentence, least_growth
from sedlib.report.sweeps.since_grok import (
    DIFFERENCE,
    GROWTH,
    PER_EXAMPLE,
    TITLES,
    Curves,
    curves_of,
    for_reading,
    peaks,
    per_example_curve,
    sentence,
    since_figure,
    stop_row,
)
from sedlib.report.sweeps.spread_since_grok import spreads
from tests.grokking.test_ablations import opened
from tests.grokking.test_training import experiment, write
from tests.imports import ROOT
from tests.tiny import TINY

PARAMS = Params.model_validate({**TINY, "gradient_batch": {"size": 15}})


def test_the_stages_own_ratios_come_out_from_the_checkpoints_alone(tmp_path: Path) -> None:
    write(tmp_path / "checkpoints.h5", experiment())
    with opened(tmp_path / "checkpoints.h5", tmp_path, PARAMS) as (checkpoints, networks, bases):
        wanted = {"gradient/add", "gradient/mul", "update"}
        streams = [
            (stream, read_bases(bases, stream))
            for stream in read_streams(networks.file, networks.study)
            if stream.name in wanted
        ]
        expected = pd.DataFrame(measure_coupling(networks, streams, PARAMS))
        found = pd.DataFrame(measure_windows(checkpoints, PARAMS, [1, 2, 3], 4))
    keys = ["step", "stream", "window", "op", "direction"]
    assert set(found["window"]) == {1, 2, 3}
    both = expected.merge(found, on=keys, suffixes=("", "_found"))
    assert len(both) == len(expected[(expected["stream"] != "update") | (expected["window"] == 3)])
    np.testing.assert_allclose(both["ratio_found"], both["ratio"], rtol=1e-4)


def test_a_basis_of_examples_along_a_run_is_that_of_the_single_checkpoint(tmp_path: Path) -> None:
    write(tmp_path / "checkpoints.h5", experiment())
    with opened(tmp_path / "checkpoints.h5", tmp_path, PARAMS) as (checkpoints, networks, bases):
        steps = [networks.steps[index] for index in networks.measured]
        phases = PhaseParams.model_validate(PARAMS.model_dump(include=set(PhaseParams.model_fields)))
        ratios, _ = measure_single_steps(networks, bases, {"mid": steps[-2], "after": steps[-1]}, phases)
        found = pd.DataFrame(measure_examples(checkpoints, PARAMS, steps[-2:]))
    expected = pd.DataFrame(ratios)
    expected = expected[(expected["estimator"] == "per-example") & (expected["centroid"] == PARAMS.centroid)]
    keys = ["step", "op", "direction"]
    both = expected.merge(found, on=keys, suffixes=("", "_found"))
    assert len(both) == len(expected)
    np.testing.assert_allclose(both["ratio_found"], both["ratio"], rtol=1e-4)
    assert found["step"].unique().tolist() == steps[-2:]


def test_examples_are_taken_at_the_stop_and_are_no_peak() -> None:
    falling = pd.DataFrame(
        [{"step": step, "op": "add", "direction": 1, "ratio": 3000.0 - step} for step in range(1000, 2001, 250)]
    )
    found = peaks({"add": {"add-42": per_example_curve(falling, "add", 1000)}})
    assert found["quantity"].unique().tolist() == [PER_EXAMPLE]
    assert found.set_index("stops after")["value"].to_dict() == {0: 2000, 500: 1500, 1000: 1000}
    assert for_reading(found, 20)["quantity"].tolist() == [TITLES[PER_EXAMPLE]]
    between = falling[falling["step"] != 1500]  # none is taken for that at 500 steps
    assert set(peaks({"add": {"add-42": per_example_curve(between, "add", 1000)}})["stops after"]) == {0, 1000}


def table(level: float) -> pd.DataFrame:
    """R̄ that rises by one a step after step 1,000, of one direction at W = 1 and W = 20."""
    return pd.DataFrame(
        [
            {
                "step": step,
                "stream": stream,
                "window": window,
                "op": "add",
                "direction": 1,
                "ratio": level + step - 1000,
            }
            for stream in ("gradient/add", "update")
            for window in (1, 20)
            for step in range(0, 2001, 250)
        ]
    )


RUNS = {"add-42": 10, "add-137": 20, "add-2024": 30}


@pytest.fixture(scope="module")
def curves() -> Curves:
    return {"add": {run: curves_of(table(level), "add", 1000, 20) for run, level in RUNS.items()}}


def test_a_peak_is_that_of_a_run_that_stopped_there(
    curves: Curves,
) -> None:
    found = peaks(curves)
    gradient = found[found["quantity"] == "gradient"].set_index("stops after")["value"]
    assert gradient.to_dict() == {0: 20, 500: 520, 1000: 1020}  # none of the runs goes on for 1,500 steps
    assert (found[found["operation"] == "add"]["n"] == 3).all()
    first = found[(found["quantity"] == "R1 at W = 1") & (found["operation"] == "add-42")]
    assert first[["stops after", "value", "n"]].to_numpy().tolist() == [[0, 10, 1], [500, 510, 1], [1000, 1010, 1]]
    assert set(found["quantity"]) == {
        *("gradient", "alone", "update", "gradient over update"),
        *("R1 at W = 1", "R1 at W = 20", "R1 of the update"),
    }


def test_the_gradient_is_set_against_the_update_of_the_same_run() -> None:
    """And not the one's mean against the other's."""
    of_runs = {}
    for run, gradient, update in (("a", 100.0, 10.0), ("b", 400.0, 100.0)):
        rows = table(0)
        rows["ratio"] = rows["stream"].map({"gradient/add": gradient, "update": update}) * rows["step"]
        of_runs[run] = curves_of(rows, "add", 1000, 20)
    found = peaks({"add": of_runs})
    assert found[found["quantity"] == "gradient over update"]["value"].tolist() == pytest.approx([7, 7, 7])


def test_the_sentence_says_where_the_papers_numbers_lie(
    curves: Curves,
) -> None:
    text = sentence(peaks(curves))
    assert (
        "R1 at W = 1, add-42: a run that stops 500 steps after grokking comes nearest to the paper's 648, with 510;"
        in text
    )
    assert "Did not grok" not in text
    assert "Did not grok, and are left out: mul-42, sq-42." in sentence(peaks(curves), ["mul-42", "sq-42"])
    assert (
        "Operations with the gradient's peak R̄ inside the paper's 110–330, by the steps after grokking: 0 of 1 after 0 "
        "steps, 0 of 1 after 500 steps, 0 of 1 after 1,000 steps." in text
    )
    assert "the gradient's peak over the update's inside the paper's 30–100" in text
    assert since_figure(curves, 20).axes


@pytest.mark.parametrize(("levels", "count"), [((100, 102, 104), 0), ((100, 102, 111), 1), ((331, 332, 340), 0)])
def test_an_operation_is_inside_where_its_interval_meets_the_papers_range(levels: tuple[int, ...], count: int) -> None:
    """As claims are: the mean of the second is 104, below the paper's 110."""
    runs = {f"add-{seed}": curves_of(table(level), "add", 1000, 20) for seed, level in enumerate(levels)}
    text = sentence(peaks({"add": runs}))
    assert (
        f"the gradient's peak R̄ inside the paper's 110–330, by the steps after grokking: {count} of 1 after 0" in text
    )


def test_the_table_has_a_column_for_each_stop(curves: Curves) -> None:
    table = for_reading(peaks(curves), 20)
    assert table.columns.tolist() == ["quantity", "operation", "0 steps", "500 steps", "1,000 steps"]
    titles = [title.format(window=20) for name, title in TITLES.items() if name not in (PER_EXAMPLE, GROWTH)]
    assert table["quantity"].tolist() == [*titles, *["R1 at W = 1", "R1 at W = 20"] * 2]
    assert table.iloc[-1].tolist() == ["R1 at W = 20", "add-42", "10", "510", "1,010"]
    assert table.iloc[-3].tolist()[:3] == ["R1 at W = 20", "add", "20 [10, 30]"]


def test_of_the_first_direction_the_reader_has_the_papers_windows_of_add_over_seeds(curves: Curves) -> None:
    """And every window of the paper's run."""
    found = pd.concat(
        [
            peaks(curves),
            pd.DataFrame(
                [
                    stop_row("R1 at W = 2", "add", 0, estimate([1.0, 2.0, 3.0])),
                    stop_row("R1 at W = 2", "add-42", 0, estimate([1.0])),
                    stop_row("R1 at W = 20", "sub", 0, estimate([1.0])),
                    stop_row("R1 of the update", "add", 0, estimate([1.0])),
                ]
            ),
        ]
    )
    rows = for_reading(found, 20)
    first = rows[rows["quantity"].str.startswith("R1")]
    assert sorted(zip(first["quantity"], first["operation"], strict=True)) == [
        ("R1 at W = 1", "add"),
        ("R1 at W = 1", "add-42"),
        ("R1 at W = 2", "add-42"),
        ("R1 at W = 20", "add"),
        ("R1 at W = 20", "add-42"),
    ]


def four_operations(
    peaks: dict[str, list[float]],
) -> tuple[dict[str, dict[str, dict[str, "pd.Series[float]"]]], dict[str, int]]:
    """Runs of seeds 1 and 2 whose gradient has these peaks from the grok step on; the update twice as much on sq."""
    curves: dict[str, dict[str, dict[str, pd.Series[float]]]] = {}
    seeds: dict[str, int] = {}
    for op, of_seeds in peaks.items():
        for seed, peak in enumerate(of_seeds, 1):
            rows = table(0).assign(op=op, ratio=peak)
            rows["stream"] = rows["stream"].replace("gradient/add", f"gradient/{op}")
            rows.loc[rows["stream"] == "update", "ratio"] *= 2 if op == "sq" else 1
            curves.setdefault(op, {})[f"{op}-{seed}"] = curves_of(rows, op, 1000, 20)
            seeds[f"{op}-{seed}"] = seed
    return curves, seeds


def test_the_operations_spread_is_of_each_seed_and_no_ratio_of_means() -> None:
    """The means are 10, 10, 10 and 10: their ratio is 1."""
    curves, seeds = four_operations({"add": [5, 15], "sub": [15, 5], "mul": [10, 10], "sq": [10, 10]})
    found = spreads(curves, seeds).set_index(["quantity", "stops after"])
    assert found.loc[("gradient: largest over smallest operation", 0), "value"] == 3
    assert found.loc[("update: largest over smallest operation", 0), "value"] == 4
    assert found.loc[(DIFFERENCE, 1000), "value"] == -1
    assert (found["n"] == 2).all()
    text = sentence(pd.concat([peaks(curves), found.reset_index()]))
    assert (
        "Largest over smallest operation, the gradient's less the update's, by seed: -1 after 0 steps, "
        "-1 after 500 steps, -1 after 1,000 steps." in text
    )


def test_a_seed_without_one_of_the_operations_has_no_spread() -> None:
    curves, seeds = four_operations({"add": [5, 15], "sub": [15, 5], "mul": [10, 10], "sq": [10]})
    assert (spreads(curves, seeds)["n"] == 1).all()
    del curves["sq"]
    assert spreads(curves, seeds).empty
    assert "Largest over smallest" not in sentence(peaks(curves))


def test_runs_of_the_sweep_are_the_roots_and_go_on_for_2500_steps() -> None:
    params, committed = Params.load(ROOT / "sweeps/after_grokking/params.yaml"), Params.load(ROOT / "params.yaml")
    assert params.stopping.checkpoints == 1 + 2500 // 25
    for run, settings in params.runs.items():
        assert settings.model_dump(exclude={"max_steps"}) == committed.runs[run].model_dump(exclude={"max_steps"})


def defects(level: float, steps: range = range(0, 1500, 100)) -> pd.DataFrame:
    """One over the first three measurements, and then ``level`` after step 1,000, the grok step, and twice as much."""
    rises = [1.0 if step < 300 else level if step <= 1000 else 2 * level for step in steps]
    return pd.DataFrame({"step": [*steps], "defect": -1.0, "rounded_defect": rises})


def test_growth_is_that_of_a_run_that_stops() -> None:
    curves = {"add": {"a": growth_curve(defects(20), 1000, 2000), "b": growth_curve(defects(30), 1000, 2000)}}
    found = peaks(curves).set_index("stops after")["value"]
    assert found.to_dict() == {0: 25, 500: 50, 1000: 50}  # the last of them by the run's end, at step 2,000
    least = least_growth(curves)
    assert least.set_index("stops after")["value"].to_dict() == {0: 20, 500: 40, 1000: 40}
    assert set(least["n"]) == {2}
    assert growth_sentence(least) == (
        "- Smallest growth of the defect of all runs, of which the paper has at least 513: 20 after 0 steps, "
        "40 after 500 steps, 40 after 1,000 steps.\n"
    )


def test_a_run_that_ended_before_a_stop_does_not_count_there() -> None:
    short, long = growth_curve(defects(20), 1000, 1400), growth_curve(defects(30), 1000, 2000)
    least = least_growth({"add": {"a": short, "b": long}}).set_index("stops after")
    assert least["value"].to_dict() == {0: 20, 500: 60, 1000: 60}
    assert least["n"].to_dict() == {0: 2, 500: 1, 1000: 1}
    assert growth_sentence(least_growth({"add": {"a": {}}})) == ""
