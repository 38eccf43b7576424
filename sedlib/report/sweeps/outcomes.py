"""Outcomes of a sweep of interventions: every kind of cell, over its seeds, beside the control."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sedlib.report.drawn.panels import BLUE, GREY, STYLE, finish, panels_of
from sedlib.report.metrics.reading import shown
from sedlib.report.numbers.cell_results import OPTIONS, OWN_LABELS, grok_steps, require_one_each, speedups, spread
from sedlib.report.numbers.digits import NOTHING, number
from sedlib.report.numbers.seeds import Estimate
from sedlib.terms.condition import CONTROL, FREEZE, KEEP_EXECUTION, Condition

SELDOM = ["coordinates", "weight_decay"]
"""Columns of a table that has such cells alone."""
KIND = ["op", "projection", "condition", *OPTIONS, *SELDOM]
SPREAD = ["speedup", "speedup_low", "speedup_high", "n"]
BASES = {
    KEEP_EXECUTION.name: ("execution basis", BLUE, "o"),
    Condition("keep", "fixed-random").name: ("random subspace", GREY, "s"),
}
OF_NO_RANK = (FREEZE.name, KEEP_EXECUTION.name)
"""What is projected without a rank that the cell chooses."""


def outcomes(tables: Sequence[pd.DataFrame], threshold: float, usual: Mapping[str, Any]) -> pd.DataFrame:
    """A row per kind of cell: the control, what was done to attention, to all parameters; else by name and options.

    ``tables`` are the cells'; ``usual`` are rank, target and start of a cell that says nothing else.

    Columns: what was done; a column per seed with the grok step, or "not within N steps"; ``mean`` of the grok steps
    where every seed grokked; ``train_accuracy``, the mean of the last ones; ``passed``, the mean share of a step's norm
    that passed the projector; ``speedup``, mean over seeds of the
    control's grok step over the cell's, with its 95 % bootstrap interval where there are three seeds; ``n``, the
    number of seeds for which both grokked.

    Raises
    ------
    UserError
        There is no table, or two of one kind and seed.
    """
    cells = _completed(grok_steps(tables, threshold, [*OWN_LABELS, *OPTIONS]), usual)
    require_one_each(cells, [*KIND, "seed"])
    plain = cells["weight_decay"].isna()
    control = cells[plain & (cells["condition"] == CONTROL.name)].set_index(["op", "seed"])["grok_step"]
    seeds = sorted(cells["seed"].unique())
    rows = []
    for kind, group in cells.groupby(KIND, dropna=False):
        by_seed = group.set_index("seed")
        known = control.xs(kind[0], level="op") if kind[0] in control.index.get_level_values("op") else pd.Series()
        rows.append(
            {
                **dict(zip(KIND, kind, strict=True)),
                **{str(seed): by_seed["outcome"].get(seed, "not run") for seed in seeds},
                "mean": None if by_seed["grok_step"].isna().any() else float(by_seed["grok_step"].mean()),
                "train_accuracy": float(by_seed["train_accuracy"].mean()),
                "passed": float(by_seed["passed"].mean()),
                **spread(speedups(known, by_seed["grok_step"]).dropna()),
            }
        )
    table = pd.DataFrame(rows).astype({"rank": "Int64", "start": "Int64"})
    table = table.drop(columns=[name for name in SELDOM if table[name].isna().all()])
    order = (table["condition"] != CONTROL.name).astype(int) + (table["target"] == "all")
    return table.iloc[order.argsort(kind="stable")].reset_index(drop=True)


def for_reading(table: pd.DataFrame) -> pd.DataFrame:
    """The table as text: speed-up with its interval, a dash where there is nothing, no column that is empty."""
    spreads = table[SPREAD].astype(object).where(table[SPREAD].notna(), None)
    estimates = (Estimate(*row) if row[-1] else None for row in spreads.itertuples(index=False))
    text = table.dropna(axis=1, how="all").drop(columns=[*SPREAD, "mean"], errors="ignore")
    options = [name for name in ("strength", "size") if name in text]
    text = text.assign(**{name: text[name].map("{:g}".format, na_action="ignore") for name in options})
    text = text.assign(train_accuracy=[number(accuracy) for accuracy in table["train_accuracy"]])
    text = text.assign(**{name: text[name].map(number, na_action="ignore") for name in ("passed",) if name in text})
    text = text.assign(speedup=[shown(estimate) for estimate in estimates], n=table["n"])
    text = text.astype(object).where(text.notna(), NOTHING)
    seeds = {name: f"seed {name}" for name in text if str(name).isdecimal()}
    return text.rename(columns={**seeds, "train_accuracy": "last train accuracy", "passed": "share passed"})


def _completed(cells: pd.DataFrame, usual: Mapping[str, Any]) -> pd.DataFrame:
    """The cells with rank, target and start as they were, where they have any."""
    projected = cells["projection"].notna()
    ranked = projected & ~cells["condition"].isin(OF_NO_RANK) & cells["coordinates"].isna()
    has = {"target": projected, "start": projected, "rank": ranked}
    return cells.assign(
        **{
            name: cells[name].astype(object).mask(cells[name].isna() & where, usual[name])
            for name, where in has.items()
        }
    )


def dose_response(tables: Sequence[pd.DataFrame], threshold: float) -> Figure:
    """Grok step against the suppressed share of the gradient outside a basis, a panel per operation, a line per seed.

    A cross at the top stands for seeds that did not grok, beside their number; at strength 0 stands the control.
    """
    cells = grok_steps(tables, threshold, [*OWN_LABELS, *OPTIONS])
    top = 1.05 * cells["max_steps"].max()
    with mpl.rc_context(STYLE):
        title = "Suppressing the gradient outside a 16-dimensional basis, all parameters, from step 500"
        figure, panels = panels_of(list(cells["op"].unique()), title, xlabel="suppressed share outside the basis")
        for op, axes in panels.items():
            of_op = cells[cells["op"] == op]
            control = of_op[of_op["condition"] == CONTROL.name].assign(strength=0.0)
            for shift, (condition, (label, colour, marker)) in zip((-0.02, 0.02), BASES.items(), strict=True):
                found = of_op[of_op["condition"] == condition]
                for _, curve in pd.concat([control, found]).groupby("seed"):
                    axes.plot(*_points(curve, shift, top), color=colour, linewidth=1)
                grokked = found[found["grok_step"].notna()]
                axes.plot(*_points(grokked, shift, top), marker, color=colour, markersize=5, label=label)
                _crosses(axes, found[found["grok_step"].isna()], shift, top, colour)
            axes.plot(*_points(control, 0.0, top), "D", color="black", markersize=5, label="control")
            axes.margins(x=0.08)
            axes.set(ylabel="grok step", ylim=(0, 1.13 * top), xticks=sorted({0.0, *of_op["strength"].dropna()}))
        return finish(figure, panels, dict.fromkeys(panels))


def _points(cells: pd.DataFrame, shift: float, top: float) -> tuple[pd.Series, pd.Series]:
    ordered = cells.sort_values("strength")
    return ordered["strength"] + shift * (ordered["strength"] > 0), ordered["grok_step"].astype(float).fillna(top)


def _crosses(axes: Axes, never: pd.DataFrame, shift: float, top: float, colour: str) -> None:
    for strength in never["strength"].unique():
        seeds = (never["strength"] == strength).sum()
        at = (strength + shift, top)
        axes.plot(*at, "x", color=colour, label="did not grok, number of seeds")
        axes.annotate(f"{seeds}", at, (0, 5), textcoords="offset points", fontsize=8, color=colour, ha="center")
