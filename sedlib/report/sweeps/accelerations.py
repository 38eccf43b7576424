"""Speed-ups over the control in several settings, such as learning rates and weight decays."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from sedlib.report.drawn.panels import BLUE, GREEN, GREY, STYLE, VERMILION, finish, panels_of
from sedlib.report.numbers.cell_results import OWN_LABELS, grok_steps, speedups, spread
from sedlib.terms.condition import CONTROL

COLOURS = (BLUE, VERMILION, GREEN, GREY)


def accelerations(settings: Mapping[str, Sequence[pd.DataFrame]], beside: str, threshold: float) -> pd.DataFrame:
    """A row per setting and condition: outcome of each seed, last train accuracy, and the speed-up over the control's.

    A low train accuracy says that the pairs were not even learned. A setting without a control of its own is compared
    with that of the setting ``beside``.

    Raises
    ------
    UserError
        A setting has no table.
    """
    cells = {name: grok_steps(tables, threshold, [*OWN_LABELS, "start"]) for name, tables in settings.items()}
    rows = []
    for name, found in cells.items():
        own = found if (found["condition"] == CONTROL.name).any() else cells[beside]
        control = own[own["condition"] == CONTROL.name].set_index("seed")["grok_step"]
        for (condition, _), group in found.groupby(["condition", "start"], dropna=False, sort=False):
            by_seed = group.set_index("seed")
            rows.append(
                {
                    "setting": name,
                    "condition": condition,
                    "from step": group["start"].iloc[0],
                    **{f"seed {seed}": outcome for seed, outcome in by_seed["outcome"].sort_index().items()},
                    "last train accuracy": float(by_seed["train_accuracy"].mean()),
                    **spread(speedups(control, by_seed["grok_step"]).dropna()),
                }
            )
    return pd.DataFrame(rows).astype({"from step": "Int64"})


def acceleration_figure(table: pd.DataFrame) -> Figure:
    """Speed-up of each condition in every setting; a bar is the interval over seeds, a number how many have a ratio.

    A cross at the control's height stands where no seed has one, as control or cell did not grok.
    """
    shown = table[(table["condition"] != CONTROL.name) & table["from step"].isna()]
    seeds = sum(str(name).startswith("seed ") for name in table)
    with mpl.rc_context(STYLE):
        figure, panels = panels_of(["settings"], "Speed-up over the control, add", xlabel="")
        axes = panels["settings"]
        names = list(dict.fromkeys(table["setting"]))
        for place, condition in enumerate(dict.fromkeys(shown["condition"])):
            found, colour = shown[shown["condition"] == condition], COLOURS[place % len(COLOURS)]
            mean = found["speedup"].to_numpy(float)
            low, high = (found[f"speedup_{end}"].astype(float).to_numpy() for end in ("low", "high"))
            bars = np.nan_to_num([mean - low, high - mean])
            at = np.array([names.index(name) + 0.12 * (place - 1) for name in found["setting"]])
            axes.errorbar(at, mean, bars, fmt="o", color=colour, label=condition, capsize=3)
            without = np.isnan(mean)
            axes.plot(at[without], np.ones(without.sum()), "x", color=colour)
            for x, y, n in zip(at, mean, found["n"], strict=True):
                if 0 < n < seeds:
                    axes.annotate(f"{n}", (x, y), (4, 4), textcoords="offset points", fontsize=8, color=colour)
        axes.axhline(1, color="black", linewidth=1, linestyle=":", label="the control (1)")
        axes.plot([], [], "x", color="black", label="no ratio: control or cell did not grok")
        axes.set_xticks(range(len(names)), names, rotation=30, ha="right", fontsize=8)
        axes.set(ylabel="speed-up", xlim=(-0.5, len(names) - 0.5))
        return finish(figure, panels, dict.fromkeys(panels))
