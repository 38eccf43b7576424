"""Speed-up of grokking against the share of a step that passes, of coordinates and of SED directions."""

from collections.abc import Sequence

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from sedlib.base.errors import UserError
from sedlib.report.drawn.panels import BLUE, GREY, STYLE, finish, panels_of
from sedlib.report.numbers.cell_results import OPTIONS, OWN_LABELS, grok_steps, require_one_each, speedups, spread
from sedlib.report.numbers.seeds import estimate
from sedlib.terms.condition import CONTROL, Condition

COORDINATES, DIRECTIONS = "fresh coordinates", "SED directions"
KEEP_SED_RAW = Condition("keep", "sed", "raw").name
MARKS = {COORDINATES: (GREY, "s"), DIRECTIONS: (BLUE, "o")}


def share_curve(tables: Sequence[pd.DataFrame], threshold: float, usual_rank: int) -> pd.DataFrame:
    """A row per projection, kind of subspace and its size: share passed and speed-up over seeds, with intervals.

    ``usual_rank`` is that of a cell that says nothing else.

    Raises
    ------
    UserError
        There is no table of a kept subspace; cells are of several operations, of another condition or with options that
        the curve does not show; or there are two of one size and seed.
    """
    cells = grok_steps(tables, threshold, [*OWN_LABELS, *OPTIONS])
    controls = cells[(cells["condition"] == CONTROL.name) & cells["weight_decay"].isna()]
    require_one_each(controls, ["op", "condition", "seed"])
    control = controls.set_index("seed")["grok_step"]
    kept = _of_a_kept_subspace(cells)
    kept = kept.assign(
        kind=kept["coordinates"].isna().map({True: DIRECTIONS, False: COORDINATES}),
        size=kept["coordinates"].astype(float).fillna(kept["rank"].astype(float)).fillna(usual_rank),
    )
    require_one_each(kept, ["projection", "kind", "size", "seed"])
    rows = []
    for (projection, kind, _), group in kept.groupby(["projection", "kind", "size"]):
        by_seed = group.set_index("seed")
        passed = estimate(by_seed["passed"].astype(float).tolist())
        rows.append(
            {
                "projection": projection,
                "kind": kind,
                "size": int(group["size"].iloc[0]),
                "passed": passed.mean,
                **spread(speedups(control, by_seed["grok_step"]).dropna()),
                "never": int(by_seed["grok_step"].isna().sum()),
                "last train accuracy": float(by_seed["train_accuracy"].mean()),
            }
        )
    return pd.DataFrame(rows).sort_values(["projection", "passed"], ignore_index=True)


def _of_a_kept_subspace(cells: pd.DataFrame) -> pd.DataFrame:
    """All cells but the controls: fresh coordinates, or SED directions of the steps before projection."""
    if len(ops := cells["op"].unique()) > 1:
        raise UserError(f"expected cells of one operation, got {', '.join(ops)}; make a curve of each")
    kept = cells[cells["condition"] != CONTROL.name]
    shown = (kept["condition"] == KEEP_SED_RAW) | kept["coordinates"].notna()
    others = kept[~shown | kept[["target", "start", "strength", "size", "weight_decay"]].notna().any(axis=1)]
    if len(others):
        raise UserError(
            f"expected cells of fresh coordinates or of {KEEP_SED_RAW}, of attention from the start, got "
            f"{others['condition'].iloc[0]} of {others['run'].iloc[0]} among them; leave it out"
        )
    if kept.empty:
        raise UserError("expected cells of a kept subspace beside the controls, got none; run `dvc repro` on the sweep")
    return kept


def share_figure(curve: pd.DataFrame) -> Figure:
    """A panel per projection; a bar is the interval over seeds, a number how many did not grok, a cross stands for all.

    A line ends where no seed has a speed-up.
    """
    with mpl.rc_context(STYLE):
        names = list(curve["projection"].unique())
        title = "Speed-up of grokking against the share of a step's norm that passes, add"
        figure, panels = panels_of(names, title, xlabel="share of the step's norm that passes")
        for name, axes in panels.items():
            for kind, (colour, marker) in MARKS.items():
                found = curve[(curve["projection"] == name) & (curve["kind"] == kind)]
                if found.empty:
                    continue
                mean = found["speedup"].astype(float)
                if not (without := found[mean.isna()]).empty:
                    axes.plot(without["passed"], [1.0] * len(without), "x", color=colour, label="no seed has a ratio")
                for _, row in found[mean.notna() & (found["never"] > 0)].iterrows():
                    at, text = (row["passed"], row["speedup"]), f"−{row['never']}"
                    axes.annotate(text, at, (4, 4), textcoords="offset points", fontsize=8, color=colour)
                low, high = (found[f"speedup_{end}"].astype(float).fillna(mean) for end in ("low", "high"))
                axes.errorbar(
                    found["passed"], mean, [mean - low, high - mean], color=colour, marker=marker, label=kind, capsize=3
                )
            axes.axhline(1, color="black", linewidth=1, linestyle=":", label="the control (1)")
            axes.set(ylabel="speed-up")
        return finish(figure, panels, dict.fromkeys(panels))
