"""Speed-ups over the control in several settings, such as learning rates and weight decays."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from sedlib.base.errors import UserError, located, quoted
from sedlib.report.drawn.panels import BLUE, GREEN, GREY, STYLE, VERMILION, finish, panels_of
from sedlib.report.numbers.cell_results import OPTIONS, OWN_LABELS, grok_steps, require_one_each, speedups, spread
from sedlib.report.sweeps.folders import require_different
from sedlib.terms.condition import CONTROL

NOT_SHOWN = [*(option for option in OPTIONS if option != "start"), "coordinates", "weight_decay"]
COLOURS = (BLUE, VERMILION, GREEN, GREY)


@dataclass(frozen=True)
class Setting:
    """One folder of a sweep: the runs of its params.yaml, and the tables of its cells."""

    name: str
    runs: Sequence[str]
    tables: Sequence[pd.DataFrame]

    def outcomes(self, threshold: float) -> pd.DataFrame:
        """A row per cell.

        Raises
        ------
        UserError
            There is no table; cells are of several operations or projections; a cell has an option that tells it from
            another of its condition; or one is missing: a condition has cells of some of the runs only.
        """
        with located(f"setting {self.name}"):
            found = grok_steps(self.tables, threshold, [*OWN_LABELS, *OPTIONS])
            for option in NOT_SHOWN:
                if (given := found[option].dropna()).size:
                    raise ValueError(f"the table has no place for cells with {option} {given.iloc[0]}; move them away")
            for name in ("op", "projection"):
                if len(several := sorted(set(found[name].dropna()))) > 1:
                    raise ValueError(f"the table has no place for cells of {name} {' and '.join(several)} at once")
            require_one_each(found, ["condition", "start", "seed"])
            for (condition, _), of_kind in found.groupby(["condition", "start"], dropna=False):
                if missing := [run for run in self.runs if run not in set(of_kind["run"])]:
                    raise ValueError(
                        f"{condition} must have a cell of every run, {', '.join(self.runs)}; missing is "
                        f"{', '.join(missing)}; run `dvc repro` on the sweep"
                    )
        return found


def accelerations(
    settings: Sequence[Setting], beside: str, threshold: float, without_control: Collection[str] = ()
) -> pd.DataFrame:
    """A row per setting and condition: outcome of each seed, last train accuracy, and the speed-up over the control's.

    A low train accuracy says that the pairs were not even learned. The settings ``without_control`` are compared with
    the control of the setting ``beside``; all others have its conditions.

    Raises
    ------
    UserError
        A setting has no table, or not all of its cells; two have one name; ``beside`` is none of them, or without a
        control; or one of ``without_control`` is no setting, or has a control.
    """
    require_different([setting.name for setting in settings])
    cells = {setting.name: setting.outcomes(threshold) for setting in settings}
    if beside not in cells or not (cells[beside]["condition"] == CONTROL.name).any():
        raise UserError(f"--beside must name one of the settings that has controls, got {quoted(beside)}")
    for name in without_control:
        if name not in cells or CONTROL.name in _conditions(cells[name]):
            raise UserError(f"--without-control must name settings that have none, got {quoted(name)}")
    apart = {name: found for name, found in cells.items() if name in without_control}
    for alike in ({name: found for name, found in cells.items() if name not in apart}, apart):
        wanted = set().union(*map(_conditions, alike.values()))
        for name, found in alike.items():
            if missing := wanted - _conditions(found):
                raise UserError(
                    f"setting {name} must have the conditions of the others; missing are "
                    f"{', '.join(sorted(missing))}; run `dvc repro` on the sweep"
                )
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
                    "train_accuracy": float(by_seed["train_accuracy"].mean()),
                    **spread(speedups(control, by_seed["grok_step"]).dropna()),
                }
            )
    return pd.DataFrame(rows).astype({"from step": "Int64"})


def _conditions(cells: pd.DataFrame) -> set[str]:
    """Those of the cells that begin when all cells do."""
    return set(cells.loc[cells["start"].isna(), "condition"])


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
