"""How coupling ratios depend on the steps since grokking, at which a run stops or goes on."""

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from sedlib.report.drawn.panels import BLUE, SKY, STYLE, VERMILION, finish, panels_of, ratio_axis
from sedlib.report.metrics.reading import shown
from sedlib.report.numbers import paper
from sedlib.report.numbers.digits import number
from sedlib.report.numbers.results import mean_ratios
from sedlib.report.numbers.seeds import Estimate, estimate
from sedlib.terms.stream_names import UPDATE, gradient_of

STOPS = (0, 500, 1000, 1500, 2000, 2500)
"""Steps after the grok step up to which a peak is taken, as if the run had stopped there."""
QUANTITIES = {
    "gradient": (BLUE, "gradient SED, W = 20"),
    "alone": (SKY, "gradient alone, W = 1"),
    "update": (VERMILION, "update SED"),
}


Curves = Mapping[str, Mapping[str, Mapping[str, "pd.Series[float]"]]]
"""By operation, then by run, then by quantity."""


def curves_of(table: pd.DataFrame, op: str, grokked: int, window: int) -> dict[str, "pd.Series[float]"]:
    """R̄ of gradient, one gradient and update, and R₁ at each window, by steps since the grok step."""
    ratios = mean_ratios(table).assign(since=lambda rows: rows["step"] - grokked)
    own = ratios[ratios["op"] == op]
    chosen = {
        "gradient": own[(own["stream"] == gradient_of(op)) & (own["window"] == window)],
        "alone": own[(own["stream"] == gradient_of(op)) & (own["window"] == 1)],
        "update": own[(own["stream"] == UPDATE) & (own["window"] == window)],
    }
    first = table[(table["op"] == op) & (table["stream"] == gradient_of(op)) & (table["direction"] == 1)]
    first = first.assign(since=first["step"] - grokked)
    by_window = {f"R1 at W = {size}": rows for size, rows in first.groupby("window")}
    return {name: rows.set_index("since")["ratio"].sort_index() for name, rows in {**chosen, **by_window}.items()}


def peaks(curves: Curves) -> pd.DataFrame:
    """A row per quantity, operation and stop: the peak up to there over seeds; of operations also their spread."""
    rows: list[dict[str, Any]] = []
    by_stop: dict[tuple[str, int], dict[str, list[float]]] = {}
    for op, by_run in curves.items():
        names = list(dict.fromkeys(name for of_run in by_run.values() for name in of_run))
        for name in names:
            for stop in STOPS:
                values = [_peak(of_run[name], stop) for of_run in by_run.values() if name in of_run]
                known = [value for value in values if value is not None]
                if known:
                    by_stop.setdefault((name, stop), {})[op] = known
                    rows.append(_row(name, op, stop, estimate(known)))
    for (name, stop), by_op in by_stop.items():
        means = [sum(values) / len(values) for values in by_op.values()]
        if len(by_op) == len(paper.OPS) and name in ("gradient", "update"):
            rows.append(
                _row(f"{name}: largest over smallest operation", "all", stop, estimate([max(means) / min(means)]))
            )
    return pd.DataFrame(rows)


def _peak(curve: "pd.Series[float]", stop: int) -> float | None:
    """Largest value up to ``stop``; None where the run ended before, or had no whole window yet."""
    before = curve[curve.index <= stop]
    return None if before.empty or curve.index.max() < stop else float(before.max())


def _row(quantity: str, op: str, stop: int, here: Estimate) -> dict[str, Any]:
    low, high = (None if end is None else round(end, 4) for end in (here.low, here.high))
    return {
        "quantity": quantity,
        "operation": op,
        "stops after": stop,
        "peak": round(here.mean, 4),
        "low": low,
        "high": high,
        "n": here.n,
        "shown": shown(here),
    }


def sentence(table: pd.DataFrame) -> str:
    """Where the paper's numbers lie, in words: of each, the stop at which the peak is nearest to it."""
    parts = []
    for quantity, op, value in (
        ("R1 at W = 1", "add", paper.R1_BY_WINDOW[1]),
        ("R1 at W = 20", "add", paper.R1_BY_WINDOW[20]),
        ("R1 at W = 40", "add", paper.R1_BY_WINDOW[40]),
        ("gradient: largest over smallest operation", "all", paper.GRADIENT_SPREAD.low),
    ):
        found = table[(table["quantity"] == quantity) & (table["operation"] == op)]
        if not found.empty:
            nearest = found.iloc[int((found["peak"] - value).abs().to_numpy().argmin())]
            at, last = number(nearest["peak"]), number(found["peak"].iloc[-1])
            parts.append(
                f"{quantity}, {op}: nearest to the paper's {number(value)} is the peak up to "
                f"{nearest['stops after']:,} steps after grokking, {at}; the last is {last}."
            )
    inside = table[(table["quantity"] == "gradient") & (table["operation"] != "all")]
    reported = paper.SINGLE_TASK_GRADIENT
    for stop, rows in inside.groupby("stops after"):
        count = int(rows["peak"].between(reported.low, reported.high).sum())
        parts.append(
            f"Stopped {stop:,} steps after grokking, {count} of {len(rows)} operations have their peak R̄ in {reported}."
        )
    return "\n".join(f"- {part}" for part in parts) + "\n"


def since_figure(curves: Curves) -> Figure:
    """A panel per operation, a line per seed."""
    with mpl.rc_context(STYLE):
        title = "Coupling ratios after grokking; a line per seed"
        figure, panels = panels_of(list(curves), title, xlabel="steps since the grok step")
        for op, axes in panels.items():
            for of_run in curves[op].values():
                for name, (colour, label) in QUANTITIES.items():
                    axes.plot(of_run[name], color=colour, linewidth=1, label=label)
            axes.axvline(0, color="black", linewidth=0.8, linestyle="--", label="grok step")
            ratio_axis(axes)
        return finish(figure, panels, dict.fromkeys(panels))
