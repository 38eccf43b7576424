"""How coupling ratios and the defect's growth depend on the steps since grokking, at which a run stops or goes on."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from sedlib.base.errors import UserError
from sedlib.report.claims.verdicts import INSIDE, verdict
from sedlib.report.drawn.panels import BLUE, SKY, STYLE, VERMILION, finish, panels_of, ratio_axis
from sedlib.report.metrics.reading import shown
from sedlib.report.numbers import paper
from sedlib.report.numbers.digits import number
from sedlib.report.numbers.results import mean_ratios
from sedlib.report.numbers.seeds import Estimate, estimate
from sedlib.terms.stops_after_grokking import STOPS
from sedlib.terms.stream_names import UPDATE, gradient_of

QUANTITIES = {
    "gradient": (BLUE, "gradient SED, W = {window}"),
    "alone": (SKY, "gradient alone, W = 1"),
    "update": (VERMILION, "update SED"),
}
RATIO = "gradient over update"
PER_EXAMPLE = "per-example gradients, at the stop"
"""The one quantity that is no peak: the paper has it at a run's last checkpoint."""
GROWTH = "growth of the defect"
TITLES = {
    "gradient": "R̄ of the gradient, W = {window}",
    "alone": "R̄ of one gradient, W = 1",
    "update": "R̄ of the update, W = {window}",
    RATIO: "R̄ of the gradient over R̄ of the update",
    PER_EXAMPLE: "R̄ of per-example gradients, at the stop",
    GROWTH: "growth of the defect, differences in float32",
}
"""For a reader; the table of numbers has the short ones."""
LARGEST_OVER_SMALLEST = "{}: largest over smallest operation"
DIFFERENCE = LARGEST_OVER_SMALLEST.format("gradient less update")
RUN_OF_THE_PAPER = "add-42"
"""Of which alone the paper has R₁ at each window."""

Curves = Mapping[str, Mapping[str, Mapping[str, "pd.Series[float]"]]]
"""By operation, then by run, then by quantity."""


def curves_of(table: pd.DataFrame, op: str, grokked: int, window: int) -> dict[str, "pd.Series[float]"]:
    """R̄ of gradient, one gradient and update, R₁ of the gradient at each window and of the update, by steps since.

    Raises
    ------
    UserError
        The ``window``, or that of one checkpoint, was not measured.
    """
    if missing := {1, window} - set(table["window"]):
        measured = ", ".join(map(str, sorted(table["window"].unique())))
        raise UserError(
            f"windows 1 and {window} must be in the table of windows, got {measured}; add {min(missing)} to "
            "ablation.window in params.yaml"
        )
    ratios = mean_ratios(table).assign(since=lambda rows: rows["step"] - grokked)
    own = ratios[ratios["op"] == op]
    chosen = {
        "gradient": own[(own["stream"] == gradient_of(op)) & (own["window"] == window)],
        "alone": own[(own["stream"] == gradient_of(op)) & (own["window"] == 1)],
        "update": own[(own["stream"] == UPDATE) & (own["window"] == window)],
    }
    first = table[(table["op"] == op) & (table["direction"] == 1)].assign(since=lambda rows: rows["step"] - grokked)
    by_window = {
        f"R1 at W = {size}": rows for size, rows in first[first["stream"] == gradient_of(op)].groupby("window")
    }
    of_update = {"R1 of the update": first[(first["stream"] == UPDATE) & (first["window"] == window)]}
    named = {**chosen, **by_window, **of_update}
    return {name: rows.set_index("since")["ratio"].sort_index() for name, rows in named.items()}


def per_example_curve(table: pd.DataFrame, op: str, grokked: int) -> dict[str, "pd.Series[float]"]:
    """R̄ of the basis of per-example gradients by steps since."""
    ratios = mean_ratios(table.assign(stream=PER_EXAMPLE, window=1)).assign(since=lambda rows: rows["step"] - grokked)
    return {PER_EXAMPLE: ratios[ratios["op"] == op].set_index("since")["ratio"].sort_index()}


def peaks(curves: Curves) -> pd.DataFrame:
    """A row per quantity, operation and stop: the peak up to there over seeds.

    Of per-example gradients it is the value at the stop.

    Raises
    ------
    UserError
        No run has a measured checkpoint at a stop or later.
    """
    rows: list[dict[str, Any]] = []
    for op, by_run in curves.items():
        reached = {run: {stop: readings_at(of_run, stop) for stop in STOPS} for run, of_run in by_run.items()}
        names = dict.fromkeys(name for by_stops in reached.values() for found in by_stops.values() for name in found)
        for name in names:
            for stop in STOPS:
                if values := [by_stops[stop][name] for by_stops in reached.values() if name in by_stops[stop]]:
                    rows.append(stop_row(name, op, stop, estimate(values)))
        alone = reached.get(RUN_OF_THE_PAPER, {})
        by_window = [name for name in names if name.startswith("R1 at W")]
        rows.extend(
            stop_row(name, RUN_OF_THE_PAPER, stop, estimate([known[name]]))
            for name in by_window
            for stop, known in alone.items()
            if name in known
        )
    if not rows:
        raise UserError("no run has a measured checkpoint after its grok step; let runs of params.yaml go on longer")
    return pd.DataFrame(rows)


def readings_at(of_run: Mapping[str, "pd.Series[float]"], stop: int) -> dict[str, float]:
    """A run by quantity, as if it had stopped at ``stop``, and the gradient's peak over the update's."""
    known = {name: value for name, curve in of_run.items() if (value := _at_stop(name, curve, stop)) is not None}
    both = "gradient" in known and "update" in known
    return {**known, RATIO: known["gradient"] / known["update"]} if both else known


def _at_stop(name: str, curve: "pd.Series[float]", stop: int) -> float | None:
    """The peak up to ``stop``, or the value there; None where the run ended before, or had no whole window yet."""
    if name == PER_EXAMPLE:
        return float(curve[stop]) if stop in curve.index else None
    before = curve[curve.index <= stop]
    return None if before.empty or curve.index.max() < stop else float(before.max())


def stop_row(quantity: str, op: str, stop: int, here: Estimate) -> dict[str, Any]:
    """A row of the table of numbers, cut to six places; ``shown`` is the number for a reader."""
    low, high = (None if end is None else round(end, 6) for end in (here.low, here.high))
    return {
        "quantity": quantity,
        "operation": op,
        "stops after": stop,
        "value": round(here.mean, 6),
        "low": low,
        "high": high,
        "n": here.n,
        "shown": shown(here),
    }


def for_reading(table: pd.DataFrame, window: int) -> pd.DataFrame:
    """A row per quantity and operation, a column per stop; R₁ of add alone, over seeds at the paper's windows alone."""
    first = table["quantity"].str.startswith("R1")
    of_add = (table["operation"] == "add") & table["quantity"].isin(
        [f"R1 at W = {size}" for size in paper.R1_BY_WINDOW]
    )
    kept = table[~first | of_add | (table["operation"] == RUN_OF_THE_PAPER)]
    wide = kept.pivot_table(index=["quantity", "operation"], columns="stops after", values="shown", aggfunc="first")
    order = kept[["quantity", "operation"]].drop_duplicates().itertuples(index=False, name=None)
    wide.columns = pd.Index([f"{stop:,} steps" for stop in wide.columns])
    ordered = wide.loc[sorted(order, key=lambda row: _place(row[0]))].reset_index()
    return ordered.assign(quantity=[TITLES.get(name, name).format(window=window) for name in ordered["quantity"]])


def _place(quantity: str) -> int:
    """Of a quantity in the table: in the order of the figure, the ratio, examples, R₁, the operations' spread."""
    first = [*TITLES]
    return first.index(quantity) if quantity in first else len(first) + ("over smallest" in quantity)


def sentence(table: pd.DataFrame, never: Sequence[str] = ()) -> str:
    """Where the paper's numbers lie, in words: of each, the stop at which the value is nearest to it.

    A range of the paper is met as in claims: by the interval over seeds, where there are enough of them.

    ``never`` are runs that did not grok, of which the table has nothing.
    """
    parts = [f"Did not grok, and are left out: {', '.join(never)}."] if never else []
    for quantity, op, value in (
        *(
            (f"R1 at W = {window}", runs, value)
            for window, value in paper.R1_BY_WINDOW.items()
            for runs in (RUN_OF_THE_PAPER, "add")
        ),
        (PER_EXAMPLE, "add", paper.PER_EXAMPLE["after"]),
    ):
        found = table[(table["quantity"] == quantity) & (table["operation"] == op)]
        if not found.empty:
            nearest = found.iloc[int((found["value"] - value).abs().to_numpy().argmin())]
            at, last = nearest["shown"], found["shown"].iloc[-1]
            parts.append(
                f"{quantity}, {op}: a run that stops {nearest['stops after']:,} steps after grokking comes nearest to "
                f"the paper's {number(value)}, with {at}; one that stops last has {last}."
            )
    for quantity, title, reported in (
        ("gradient", "the gradient's peak R̄", paper.SINGLE_TASK_GRADIENT),
        ("update", "the update's peak R̄", paper.SINGLE_TASK_UPDATE),
        (RATIO, "the gradient's peak over the update's", paper.GRADIENT_OVER_UPDATE),
    ):
        of_quantity = table[(table["quantity"] == quantity) & table["operation"].isin(paper.OPS)]
        counts = {
            stop: f"{sum(verdict(here, reported) == INSIDE for here in _estimates(rows))} of {len(rows)}"
            for stop in STOPS
            if len(rows := of_quantity[of_quantity["stops after"] == stop])
        }
        listed = ", ".join(f"{count} after {stop:,} steps" for stop, count in counts.items())
        parts.append(f"Operations with {title} inside the paper's {reported}, by the steps after grokking: {listed}.")
    differences = table[table["quantity"] == DIFFERENCE].to_dict("records")
    if differences:
        listed = ", ".join(f"{row['shown']} after {row['stops after']:,} steps" for row in differences)
        parts.append(f"Largest over smallest operation, the gradient's less the update's, by seed: {listed}.")
    return "\n".join(f"- {part}" for part in parts) + "\n"


def _estimates(rows: pd.DataFrame) -> Iterator[Estimate]:
    """The numbers of some rows, as they were before they were written into the table."""
    for row in rows.to_dict("records"):
        low, high = (None if pd.isna(row[end]) else float(row[end]) for end in ("low", "high"))
        yield Estimate(float(row["value"]), low, high, int(row["n"]))


def since_figure(curves: Curves, window: int) -> Figure:
    """A panel per operation, a line per seed."""
    with mpl.rc_context(STYLE):
        title = "Coupling ratios after grokking; a line per seed"
        figure, panels = panels_of(list(curves), title, xlabel="steps since the grok step")
        for op, axes in panels.items():
            for of_run in curves[op].values():
                for name, (colour, label) in QUANTITIES.items():
                    axes.plot(of_run[name], color=colour, linewidth=1, label=label.format(window=window))
            for reported, colour in ((paper.SINGLE_TASK_GRADIENT, BLUE), (paper.SINGLE_TASK_UPDATE, VERMILION)):
                label = f"the paper's range of peaks, {reported}"
                axes.axhspan(reported.low, reported.high, color=colour, alpha=0.12, linewidth=0, label=label)
            axes.axvline(0, color="black", linewidth=0.8, linestyle="--", label="grok step")
            ratio_axis(axes)
        return finish(figure, panels, dict.fromkeys(panels))
