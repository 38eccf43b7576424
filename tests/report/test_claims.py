"""Every rule of the claims at its edge, from numbers made up for it."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from sedlib.report.judged.listing import all_claims, claims
from sedlib.report.metrics.derived import derived
from sedlib.report.numbers.paper import OPS
from tests.imports import ROOT


def said(name: str, numbers: Mapping[str, Any]) -> tuple[str, str]:
    """Verdict and numbers of one claim."""
    found = claims(numbers)
    row = found[found["definition"] == "text"].set_index("name").loc[name]
    return str(row["verdict"]), str(row["here"])


def mean(value: float, **seeds: float) -> dict[str, Any]:
    return {"mean": value, "low": None, "high": None, "n": 1, **seeds}


def ablated(axis: str, by_value: Mapping[str, tuple[float, float, float]]) -> dict[str, Any]:
    """R₁'s peak, plateau and peak by value."""
    return {
        "ablation": {
            axis: {
                value: {"r1_peak": r1, "plateau": plateau, "peak": peak, "final": peak, "n": 1}
                for value, (r1, plateau, peak) in by_value.items()
            }
        }
    }


def sped_up(**conditions: float) -> dict[str, Any]:
    """Speed-ups on add, update projection, of a control with the grok step 100."""
    return {
        "interventions": {
            "update": {
                "add": {
                    name.replace("_", "-"): {
                        "speedup": value,
                        "speedup_low": None,
                        "speedup_high": None,
                        "speedup_n": 1,
                        "1": 100 / value,
                    }
                    for name, value in conditions.items()
                }
            }
        }
    }


def geometry(**changed: Any) -> dict[str, Any]:
    usual = {"ops": "add", "pc1_min": 70, "pc1_max": 90, "z_min": 6, "rho": 0.9999, "share_over_random": 2}
    return {"geometry": {"add-1": {**usual, "defect_growth": 600, "accurate_step": 100, **changed}}}


def test_ratios_are_of_the_same_seed_and_of_the_papers_operations() -> None:
    def of_op(gradient: Mapping[str, float | None]) -> dict[str, Any]:
        return {
            "gradient_peak": {"mean": 30, **gradient},
            "update_peak": {"mean": 2, "1": 2, "2": 4},
            "w1_peak": {"mean": 50, "1": 40, "2": 60, "3": None},
        }

    numbers: dict[str, Any] = {
        "single_task": {"add": of_op({"1": 20, "2": 40, "3": 60}), "quad": of_op({"1": 20})},
        "multitask": {
            "mul": {"aggregate_final": {"1": 3}, "per_op_final": {"1": 4}, "w1_final": {"1": None}},
            "sq": {"aggregate_final": {"1": 3}, "per_op_final": {"1": None}},
        },
    }
    found = derived(numbers)
    ratio = found["single_task"]["add"]["gradient_over_update"]
    assert (ratio["mean"], ratio["n"], ratio["1"], ratio["2"]) == (10, 2, 10, 10)
    assert found["single_task"]["add"]["w1_over_gradient"]["mean"] == 1.75
    assert set(found["single_task"]) == {"add"}
    assert found["multitask"]["mul"]["aggregate_over_per_op"]["mean"] == 0.75
    assert "w1_over_per_op" not in found["multitask"]["mul"]
    assert "sq" not in found["multitask"]
    assert found["spread"] == {}


def test_the_spread_needs_all_four_operations() -> None:
    peaks: dict[str, Any] = {
        op: {"gradient_peak": {"1": 10, "2": 10 * i}, "update_peak": {"1": i, "2": i}} for i, op in enumerate(OPS, 1)
    }
    found = derived({"single_task": peaks})["spread"]
    assert {name: (values["mean"], values["1"], values["2"]) for name, values in found.items()} == {
        "update": (4, 4, 4),
        "gradient": (2.5, 1, 4),
        "difference": (-1.5, -3, 0),
    }
    peaks["sq"]["update_peak"]["2"] = None
    assert derived({"single_task": peaks})["spread"]["update"]["n"] == 1
    del peaks["sq"]
    assert derived({"single_task": peaks})["spread"] == {}


def test_what_a_rung_leaves_is_a_mean_over_runs_that_are_no_controls() -> None:
    def run(momentum: float) -> dict[str, Any]:
        return {
            "ladder/minibatch-gradient": {"mean_before_grok": 10},
            "ladder/momentum": {"mean_before_grok": momentum},
        }

    ladder = {"a": run(4), "b": run(8), "quad-1": run(100), "both": run(3) | {"gradient/total": {}}}
    left = derived({"ladder": ladder, "controls": {"quad-1": {}}})["left"]
    ends = {"momentum_low": None, "momentum_high": None}
    assert left == {"single_task": {"momentum": 0.6, **ends}, "multitask": {"momentum": 0.3, **ends}}
    three = derived({"ladder": {"a": run(4), "b": run(8), "c": run(3)}})["left"]["single_task"]
    assert three == {"momentum": 0.5, "momentum_low": 0.3, "momentum_high": 0.8}


@pytest.mark.parametrize(
    ("update", "gradient", "verdict"), [(2, 1.9, "same direction"), (2, 2, "contradicted"), (2, 3, "contradicted")]
)
def test_op_spread(update: float, gradient: float, verdict: str) -> None:
    spreads = {"update": mean(update), "gradient": mean(gradient)}
    assert said("op-spread", {"derived": {"spread": spreads}})[0] == verdict
    assert said("op-spread", {"derived": {"spread": {"update": mean(update)}}})[0] == "not run"


@pytest.mark.parametrize(("last", "verdict"), [(99, "same direction"), (110, "same direction"), (111, "contradicted")])
def test_the_first_direction_rises_by_no_more_than_a_tenth_at_a_longer_window(last: float, verdict: str) -> None:
    numbers = ablated("window", {"40": (last, 1, 1), "1": (300, 1, 1), "20": (100, 1, 1)})
    assert said("window", numbers) == (verdict, f"W = 1: 300, W = 20: 100, W = 40: {last}")
    assert said("window", ablated("window", {"1": (300, 1, 1)}))[0] == "not run"


def of_phase(**numbers: tuple[float, float | None, float | None]) -> dict[str, Any]:
    """A phase's numbers, each with the ends of its interval."""
    ends = {
        f"{name}{end}": value
        for name, values in numbers.items()
        for end, value in zip(("", "_low", "_high"), values, strict=True)
    }
    return {**ends, "n": 3}


@pytest.mark.parametrize(
    ("values", "verdict"),
    [((27, 92, 431), "inside"), ((27, 92, 300), "same direction"), ((27, 26, 431), "contradicted")],
)
def test_per_example_ratios_rise_from_phase_to_phase(values: tuple[float, ...], verdict: str) -> None:
    found = {
        phase: of_phase(per_example=(value, None, None))
        for phase, value in zip(("init", "mid", "after"), values, strict=True)
    }
    assert said("per-example", {"single_step": found})[0] == verdict


def test_what_a_phase_gives_is_judged_by_its_interval_over_seeds() -> None:
    """The paper has R̄ = 431 and a rank of 23 after grokking."""
    ratios = {phase: of_phase(per_example=(value, value, value)) for phase, value in (("init", 27), ("mid", 92))}
    for high, verdict in ((387, "same direction"), (388, "inside")):
        after = of_phase(per_example=(300, 150, high))
        assert said("per-example", {"single_step": {**ratios, "after": after}})[0] == verdict
    _, ours = said("per-example", {"single_step": {**ratios, "after": after}})
    assert ours == "27 [27, 27] / 92 [92, 92] / 300 [150, 388]"
    for low, verdict in ((26, "outside"), (25, "inside")):
        ranks = {
            phase: of_phase(rank90_logit=(logit, least, logit), rank90_full=(full, full, full))
            for phase, logit, least, full in (("init", 62, 62, 76), ("mid", 96, 96, 88), ("after", 30, low, 18))
        }
        assert said("centroid-rank", {"centroids": ranks})[0] == verdict


def test_one_condition_that_groks_without_weight_decay_contradicts() -> None:
    found: dict[str, Any] = {name: {"grokked": 0} for name in ("control", "keep-sed", "keep-random", "freeze")}
    numbers = {"weight_decay_0": found}
    assert said("weight-decay-0", numbers)[0] == "same direction"
    found["keep-sed"]["grokked"] = 1
    assert said("weight-decay-0", numbers) == ("contradicted", "keep-sed grok")
    del found["keep-sed"]
    assert said("weight-decay-0", numbers)[0] == "not run"


@pytest.mark.parametrize(("ratio", "verdict"), [(1, "same direction"), (0.99, "contradicted")])
def test_the_ceiling_holds_in_every_operation(ratio: float, verdict: str) -> None:
    ratios = {"add": {"w1_over_gradient": mean(2)}, "sq": {"w1_over_gradient": mean(ratio)}}
    assert said("ceiling", {"derived": {"single_task": ratios}}) == (verdict, f"add 2, sq {ratio}")


@pytest.mark.parametrize(("second", "verdict"), [(110, "inside"), (111, "outside")])
def test_rank_and_probe_seed_may_differ_by_five_percent_to_either_side(second: float, verdict: str) -> None:
    ranks = ablated("rank", {"1": (100, 1, 1), "3": (100, 1, 1)})["ablation"]
    seeds = ablated("probe_seed", {"0": (100, 1, 1), "1": (second, 1, 1)})["ablation"]
    assert said("settings", {"ablation": ranks | seeds})[0] == verdict
    assert said("settings", {"ablation": ranks})[0] == "not run"


def test_what_the_paper_left_open_is_compared_without_a_verdict() -> None:
    for name, axis in (("alignment", "alignment"), ("pairs", "batch_pairs"), ("full-centroid", "centroid")):
        numbers = ablated(axis, {"first": (1, 50, 120), "second": (1, 60, 100)})
        verdict, ours = said(name, numbers)
        assert verdict == "not in the paper"
        assert ours == "first: 50 / 120, second: 60 / 100; differ: plateaus by 20 %, peaks by 20 %"
    assert said("alignment", {}) == ("not run", "–")


@pytest.mark.parametrize(("full", "verdict"), [(18, "inside"), (20, "outside")])
def test_each_rank_of_both_centroids_is_a_size(full: float, verdict: str) -> None:
    ranks = {"init": (62, 76), "mid": (96, 88), "after": (23, full)}
    numbers = {
        phase: of_phase(rank90_logit=(logit, None, None), rank90_full=(other, None, None))
        for phase, (logit, other) in ranks.items()
    }
    assert said("centroid-rank", {"centroids": numbers})[0] == verdict
    del numbers["mid"]
    assert said("centroid-rank", {"centroids": numbers})[0] == "not run"


@pytest.mark.parametrize(
    ("name", "key", "bound"), [("aggregation", "aggregate_over_per_op", 0.5), ("multitask-window", "w1_over_per_op", 1)]
)
def test_a_ratio_in_every_operation_lies_below_its_bound(name: str, key: str, bound: float) -> None:
    def numbers(value: float) -> dict[str, Any]:
        return {"derived": {"multitask": {"add": {key: mean(0.1)}, "mul": {key: mean(value)}}}}

    assert said(name, numbers(bound - 0.01))[0] == "same direction"
    assert said(name, numbers(bound))[0] == "contradicted"


def test_a_part_of_adamw_that_leaves_all_it_found_contradicts() -> None:
    left: dict[str, Any] = {"single_task": {"momentum": 0.9, "decay": 0.99}}
    assert said("adamw", {"derived": {"left": left}})[0] == "same direction"
    left["multitask"] = {"momentum": 0.8, "decay": 1, "interval": 0.2}
    verdict, ours = said("adamw", {"derived": {"left": left}})
    assert verdict == "contradicted"
    assert ours == "momentum 0.9 / 0.8, decay 0.99 / 1, the sum of the steps between checkpoints (not in the paper) 0.2"


@pytest.mark.parametrize(
    ("frozen", "verdict"),
    [
        ((100, 100), "contradicted"),
        ((75, 100), "contradicted"),
        ((75, 125), "same direction"),
        ((None, 125), "same direction"),
    ],
)
def test_frozen_attention_contradicts_where_it_is_never_later(frozen: tuple[Any, Any], verdict: str) -> None:
    conditions = {"freeze": dict(zip(("1", "2"), frozen, strict=True)), "keep-random": {"1": 100, "2": 100}}
    assert said("freeze", {"interventions": {"update": {"add": conditions}}})[0] == verdict


@pytest.mark.parametrize(
    ("other", "verdict"), [(1.81, "contradicted"), (2.19, "contradicted"), (1.79, "same direction")]
)
def test_a_rank_is_special_if_no_other_has_its_speedup(other: float, verdict: str) -> None:
    swept = {"0": None, "3": 2, "131072": 1, "131": other}
    numbers = {"rank_sweep": {kept: {"grok_step": 1, "speedup": value} for kept, value in swept.items()}}
    assert said("rank-curve", numbers) == (verdict, f"3: 2, 131: {other}, 131,072: 1")
    del numbers["rank_sweep"]["3"]
    assert said("rank-curve", numbers)[0] == "not run"


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [("directions", "sed_raw", "random"), ("history", "sed", "sed_raw")],
)
def test_two_bases_are_alike_within_a_tenth_kept_and_removed(name: str, first: str, second: str) -> None:
    for what in ("keep", "remove"):
        assert said(name, sped_up(**{f"{what}_{first}": 1.09, f"{what}_{second}": 1.0}))[0] == "same direction"
        assert said(name, sped_up(**{f"{what}_{first}": 1.11, f"{what}_{second}": 1.0}))[0] == "contradicted"
        assert said(name, sped_up(**{f"{what}_{first}": 1.11}))[0] == "not run"
    both = {f"keep_{first}": 1.0, f"keep_{second}": 1.0, f"remove_{first}": 2.0, f"remove_{second}": 1.0}
    assert said(name, sped_up(**both))[0] == "contradicted"
    gradient = {"gradient": sped_up(**both)["interventions"]["update"]}
    alike = sped_up(**{f"keep_{first}": 1.0, f"keep_{second}": 1.0})["interventions"]
    assert said(name, {"interventions": alike})[0] == "same direction"
    assert said(name, {"interventions": alike | gradient})[0] == "contradicted"


def test_two_bases_are_compared_seed_by_seed() -> None:
    """Of which the mean of the speed-ups of the first basis over those of the second is 1."""
    steps = {"keep-sed-raw": {"1": 100, "2": 200, "3": 300}, "keep-random": {"1": 200, "2": 200, "3": 200}}
    conditions = {
        name: {**by_seed, "speedup": 2, "speedup_low": 2, "speedup_high": 2, "speedup_n": 3}
        for name, by_seed in steps.items()
    }
    verdict, ours = said("directions", {"interventions": {"update": {"add": conditions}}})
    assert ours == "update, add, keep 2 / 2: 1.22 [0.667, 2]"
    assert verdict == "contradicted"


def test_numbers_of_three_runs_or_more_have_an_interval() -> None:
    """Those of the committed report."""
    numbers = json.loads((ROOT / "reports/metrics.json").read_text())
    numbers |= {"derived": derived(numbers)}
    lacking = {
        f"{claim.name}, {row.label}"
        for claim in all_claims(numbers)
        for row in claim.rows
        if row.here.n >= 3 and row.here.low is None
    }
    assert lacking - {"lead, mean lead"} == {"defect-growth, runs that grok", "defect-growth, other runs"}  # extremes


def test_every_speedup_of_the_paper_has_a_claim() -> None:
    found = claims(sped_up(keep_random=2.2, remove_random=1.5)).set_index("name")
    assert found.loc["update-keep-random", "verdict"] == "inside"
    assert found.loc["update-remove-random", "verdict"] == "contradicted"
    for projection in ("update", "gradient"):
        for condition in ("remove-sed", "remove-random", "keep-sed", "keep-random"):
            assert found.loc[f"{projection}-{condition}", "paper"] != "–"


def test_the_least_and_the_largest_matrix_are_both_held_to_the_papers_range() -> None:
    assert said("pc1", geometry()) == ("inside", "add 70 to 90")
    assert said("pc1", geometry(pc1_min=50))[0] == "outside"
    assert said("pc1", geometry(pc1_max=99))[0] == "outside"
    assert said("pc1-z", geometry(z_min=3))[0] == "same direction"
    assert said("rho", geometry(rho=0.9))[0] == "outside"
    assert said("share", geometry(share_over_random=0.9))[0] == "contradicted"


def test_the_geometry_of_controls_and_of_several_operations_does_not_count() -> None:
    others = {"quad-1": {**geometry()["geometry"]["add-1"], "ops": "quad", "pc1_min": 1}}
    others["both-1"] = {**others["quad-1"], "ops": "add+mul"}
    numbers = {"geometry": geometry()["geometry"] | others, "controls": {"quad-1": {}}}
    assert said("pc1", numbers) == ("inside", "add 70 to 90")


@pytest.mark.parametrize(
    ("positive", "missed", "lead", "p_value", "verdict"),
    [
        (12, 0, 1117, 2**-12, "inside"),
        (12, 0, 500, 2**-12, "same direction"),
        (11, 0, 1117, 0.003, "same direction"),
        (8, 0, 1117, 0.19, "contradicted"),
        (9, 3, 1117, 2**-9, "same direction"),
    ],
)
def test_lead(positive: int, missed: int, lead: float, p_value: float, verdict: str) -> None:
    """A run that becomes accurate without an onset counts among the twelve, and has no lead."""
    test = {"positive": positive, "n": 12 - missed, "missed": missed, "mean": lead, "p_value": p_value}
    found = said("lead", {"leads": {"single_task": test}})
    assert found[0] == verdict
    assert found[1].startswith(f"{positive} of 12, mean ")
    assert (
        said("lead", {"leads": {"single_task": {"positive": 0, "n": 0, "mean": None, "p_value": None}}})[0] == "not run"
    )


@pytest.mark.parametrize(
    ("grokking", "other", "verdict"),
    [(600, 40, "inside"), (600, 48, "same direction"), (500, 40, "same direction"), (500, 500, "contradicted")],
)
def test_growth_of_runs_that_grok_and_of_those_that_do_not(grokking: float, other: float, verdict: str) -> None:
    never = {"quad-1": {**geometry()["geometry"]["add-1"], "defect_growth": other, "accurate_step": None}}
    numbers = {"geometry": geometry(defect_growth=grokking)["geometry"] | never, "controls": {"quad-1": {}}}
    assert said("defect-growth", numbers) == (
        verdict,
        f"at least {grokking} (mean {grokking}), at most {other} (mean {other})",
    )
    accurate = {"add-1-wd0": {**geometry()["geometry"]["add-1"], "defect_growth": 1}}
    numbers = {"geometry": numbers["geometry"] | accurate, "controls": {"quad-1": {}, "add-1-wd0": {}}}
    assert said("defect-growth", numbers)[0] == verdict  # an accurate control is of neither kind
    assert said("defect-growth", geometry())[0] == "not run"


def test_a_claim_names_its_table_always_and_its_figure_where_something_was_drawn() -> None:
    found = claims(geometry()).set_index("name")
    assert (found.loc["pc1", "figure"], found.loc["pc1", "table"]) == ("pc1.svg", "geometry.csv")
    assert (found.loc["gradient-peak", "figure"], found.loc["gradient-peak", "table"]) == (
        "–",
        "table1-single-task.csv",
    )
    assert found.index.is_unique


def test_a_ratio_to_zero_is_missing() -> None:
    axis = {"1": {"r1_peak": 0.0, "plateau": 0.0, "peak": 0.0}, "2": {"r1_peak": 1.0, "plateau": 1.0, "peak": 1.0}}
    assert said("settings", {"ablation": {"rank": axis, "probe_seed": axis}})[0] == "not run"
    assert "differ: plateaus by –, peaks by –" in said("alignment", {"ablation": {"alignment": axis}})[1]
