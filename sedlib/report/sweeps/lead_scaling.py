"""How the lead of the defect's onset scales with the grok step, over learning rates."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from sedlib.base.errors import located
from sedlib.leads import PowerLaw, power_law
from sedlib.report.drawn.panels import BLUE, GREY, STYLE, finish, panels_of
from sedlib.report.numbers.results import RunFolder, grok_step
from sedlib.report.numbers.trajectories import Geometry, geometry_numbers
from sedlib.terms.tables.training_table import TRAINING

PAPER_EXPONENT = 1.3
"""Of lead ∝ (grok step)^exponent. Source: arXiv 2602.16746."""


def leads_of(folders: Mapping[float, RunFolder], threshold: float) -> pd.DataFrame:
    """A row per learning rate: onset, step of 90 % test accuracy, their difference the lead, grok step, and a reason.

    Raises
    ------
    UserError
        A run's table is missing, damaged, or of another run.
    """
    rows = []
    for rate, folder in folders.items():
        training = folder.read(TRAINING)
        with located(f"geometry at lr = {rate:g}"):
            found = geometry_numbers(Geometry.load(folder), training)
        grokked = grok_step(training, str(training["op"].iloc[0]), threshold)
        numbers = {name: found[name] for name in ("onset", "accurate_step", "lead")}
        rows.append({"lr": rate, **numbers, "grok_step": grokked, "reason": found.get("reason", "")})
    steps = ["onset", "accurate_step", "lead", "grok_step"]
    return pd.DataFrame(rows).astype(dict.fromkeys(steps, "Int64"))


def scaling(leads: pd.DataFrame) -> dict[str, Any]:
    """The fitted power law with the exponent's 95 % interval, or the reason why there is none; runs left out, named."""
    there = _has_lead(leads)
    usable, left_out = leads[there], leads["lr"][~there].tolist()
    common = {"paper": PAPER_EXPONENT, "n": len(usable), "left_out": left_out}
    try:
        law: PowerLaw = power_law(usable["grok_step"].to_numpy(float), usable["lead"].to_numpy(float))
    except ValueError as error:
        return {**common, "exponent": None, "reason": str(error)}
    return {**common, **asdict(law)}


def _has_lead(leads: pd.DataFrame) -> pd.Series:
    """Whether the onset came before 90 % accuracy, of a run that grokked."""
    return (leads["lead"] > 0).fillna(False) & leads["grok_step"].notna()


def lead_figure(leads: pd.DataFrame, law: Mapping[str, Any]) -> Figure:
    """Lead against grok step, both logarithmic, a mark per learning rate, the fitted line, and who has no lead."""
    with mpl.rc_context(STYLE):
        title = "Lead of the defect's onset over 90 % accuracy"
        figure, panels = panels_of(["leads"], title, xlabel="grok step")
        axes = panels["leads"]
        there = _has_lead(leads)
        shown = leads[there]
        steps, found = shown["grok_step"].to_numpy(float), shown["lead"].to_numpy(float)
        axes.plot(steps, found, "o", color=BLUE, label="a learning rate")
        if law["exponent"] is not None:
            line = np.array([steps.min(), steps.max()])
            label = f"exponent {law['exponent']:.2f} [{law['low']:.2f}, {law['high']:.2f}], n = {law['n']}"
            axes.plot(line, law["factor"] * line ** law["exponent"], color=GREY, label=label)
        for step, lead, rate in zip(steps, found, shown["lr"], strict=True):
            below = law["exponent"] is not None and lead < law["factor"] * step ** law["exponent"]
            offset, side = ((6, -14), "left") if below else ((-6, 6), "right")  # off the line
            axes.annotate(f"{rate:g}", (step, lead), xytext=offset, textcoords="offset points", ha=side, fontsize=10)
        if not there.all():
            axes.plot([], [], " ", label=f"no lead: {', '.join(f'{rate:g}' for rate in leads['lr'][~there])}")
        if not shown.empty:
            axes.set(xscale="log", yscale="log", xlim=(steps.min() / 1.3, 1.3 * steps.max()))
            axes.set_ylim(found.min() / 1.5, 1.5 * found.max())
            axes.set_xticks(steps, [f"{step:,.0f}" for step in steps])
            axes.set_yticks(found, [f"{lead:,.0f}" for lead in found])
            axes.minorticks_off()
        axes.set_ylabel("lead, steps")
        return finish(figure, panels, dict.fromkeys(panels))
