"""Numbers of the runs, as metrics.json has them: coupling over seeds, ladders, geometry."""

from collections.abc import Callable, Mapping
from typing import Any

from sedlib.base.errors import located
from sedlib.report.by_scripts.early_pc1 import FIRST_LAYER, pc1_until, third_evaluation
from sedlib.report.metrics.curves_of_runs import gradient_alone, longest_window, update_of
from sedlib.report.metrics.late_numbers import late_of
from sedlib.report.metrics.rounding import Metrics, cut, over_seeds
from sedlib.report.numbers.collection import KINDS, Collection, Kind
from sedlib.report.numbers.experiments import experiment, require_different_seeds
from sedlib.report.numbers.gap_onsets import gap_numbers, how_often_first
from sedlib.report.numbers.trajectories import false_alarms, geometry_numbers, lead_numbers
from sedlib.terms.stream_names import TOTAL_GRADIENT, gradient_of

StreamOf = Callable[[str], str]
"""The stream of an operation."""
QUANTITIES = ("peak", "final", "plateau")
NO_WINDOW = "no whole window before a grok step"


STREAMS: dict[Kind, dict[str, StreamOf]] = {
    "single_task": {"gradient": gradient_of, "update": update_of},
    "multitask": {"per_op": gradient_of, "aggregate": lambda _: TOTAL_GRADIENT, "update": update_of},
}
"""By the name that their quantities begin with."""


def of_runs(found: Collection) -> Metrics:
    """Numbers over seeds by kind of run and operation, the ladders, the geometry and what its leads say."""
    return {
        **{kind: _with_late(found, kind) for kind in KINDS},
        "ladder": {run: _ladder(found, run) for run in found.runs},
        "geometry": {run: _geometry(found, run) for run in found.geometry},
        "leads": _leads(found),
    }


def _with_late(found: Collection, kind: Kind) -> Metrics:
    """Numbers by operation, with those of each stream's last measured checkpoints."""
    summaries = found.summaries_of(kind)
    numbers = _by_operation(summaries, STREAMS[kind])
    for op, of_op in numbers.items():
        streams = {name: stream_of(op) for name, stream_of in STREAMS[kind].items()} | {"w1": gradient_of(op)}
        late = {
            summary["seed"]: late_of(found.runs[run], op, streams)
            for run, summary in summaries.items()
            if op in summary["ops"]
        }
        of_op |= {
            f"{name}_late": over_seeds({seed: values.get(name) for seed, values in late.items()}) for name in streams
        }
    return numbers


def _by_operation(summaries: Mapping[str, Mapping[str, Any]], streams: Mapping[str, StreamOf]) -> Metrics:
    require_different_seeds(summaries)
    by_op: dict[str, dict[int, Mapping[str, Any]]] = {}
    for summary in summaries.values():
        for op, numbers in summary["ops"].items():
            by_op.setdefault(op, {})[summary["seed"]] = numbers
    return {op: _over_seeds(by_seed, op, streams) for op, by_seed in sorted(by_op.items())}


def _over_seeds(by_seed: Mapping[int, Mapping[str, Any]], op: str, streams: Mapping[str, StreamOf]) -> Metrics:
    """Grok step, and peak, final value and plateau of every stream's longest window and of the gradient alone."""
    curves = {
        name: {seed: longest_window(numbers, of_op(op)) for seed, numbers in by_seed.items()}
        for name, of_op in streams.items()
    }
    alone = {seed: gradient_alone(numbers, op) for seed, numbers in by_seed.items()}
    return {
        "grok_step": over_seeds({seed: numbers["grok_step"] for seed, numbers in by_seed.items()}),
        **{
            f"{name}_{quantity}": over_seeds({seed: curve[quantity] for seed, curve in of_stream.items()}, NO_WINDOW)
            for name, of_stream in curves.items()
            for quantity in QUANTITIES
        },
        **{
            f"w1_{quantity}": over_seeds({seed: curve[quantity] for seed, curve in alone.items()})
            for quantity in QUANTITIES
        },
    }


def _ladder(found: Collection, run: str) -> Metrics:
    """Means over the operations on which a stream is measured; the longest window."""
    table = found.ladders[run]
    table = table[table["window"] == table["window"].max()]
    return {
        str(stream): {
            "mean_before_grok": cut(rows["mean"].mean()),
            "peak": cut(rows["peak"].mean()),
            **({"reason": "never grokked"} if rows["mean"].isna().all() else {}),
        }
        for stream, rows in table.groupby("stream", sort=False)
    }


def _geometry(found: Collection, run: str) -> Metrics:
    summary = found.summaries[run]
    named = {"experiment": experiment(summary), "ops": "+".join(summary["ops"]), "seed": summary["seed"]}
    return named | _cut_all(_of_trajectory(found, run))


def _of_trajectory(found: Collection, run: str) -> Metrics:
    """Both alarms of a run, and the rest of its geometry."""
    geometry, results = found.geometry[run], found.runs[run]
    with located(f"geometry of {run}"):
        numbers = geometry_numbers(geometry, results.training)
        stopped = third_evaluation(results.training, found.expected.grok_threshold)
        least, largest = pc1_until(geometry.trajectory_windows, stopped)
        numbers |= {"stopped": stopped, "pc1_min_stopped": least, "pc1_max_stopped": largest}
        least, largest = pc1_until(geometry.trajectory_windows, stopped, FIRST_LAYER)
        numbers |= {"pc1_min_first_layer": least, "pc1_max_first_layer": largest}
        return numbers | gap_numbers(results.spectra, geometry.curvature, numbers["accurate_step"])


def _leads(found: Collection) -> Metrics:
    """Sign tests, one for runs of one operation and one for runs of several: their leads are not of one kind.

    Controls have false alarms in place of a sign test.
    """
    result: dict[str, Metrics] = {}
    by_run = {run: _of_trajectory(found, run) for run in found.geometry}
    for kind in KINDS:
        runs = [run for run in found.counted(kind) if run in by_run]
        if runs:
            accurate = {run: by_run[run]["accurate_step"] for run in runs}
            gap = lead_numbers({run: by_run[run]["gap_lead"] for run in runs}, accurate)
            gap |= how_often_first(by_run[run]["first_onset"] for run in runs)
            leads = lead_numbers({run: by_run[run]["lead"] for run in runs}, accurate)
            result[kind] = _cut_all(leads) | {"gap": _cut_all(gap)}
    controls = {run: by_run[run] for run in found.controls if run in by_run}
    return result | ({"controls": false_alarms(controls)} if controls else {})


def _cut_all(numbers: Mapping[str, Any]) -> Metrics:
    return {key: value if isinstance(value, str) else cut(value) for key, value in numbers.items()}
