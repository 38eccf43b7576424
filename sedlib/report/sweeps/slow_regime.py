"""A run in the companion paper's slow regime beside what the paper says of it."""

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from sedlib.base.errors import UserError, located
from sedlib.report.drawn.geometry_figures import right_axis
from sedlib.report.drawn.panels import BLUE, GREY, ORANGE, STYLE, finish, panels_of
from sedlib.report.numbers import paper
from sedlib.report.numbers.digits import NOTHING, number, spanned
from sedlib.report.numbers.results import RunFolder, grok_step
from sedlib.report.numbers.trajectories import Geometry, geometry_numbers
from sedlib.terms.tables.training_table import TRAINING

REGIME = {"lr": 5e-5, "weight_decay": 0.1, "betas": [0.9, 0.999], "layers": 3}


def require_slow_regime(run: str, parameters: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse parameters of a run that are not the paper's of the slow regime: one operation, add, and ``REGIME``.

    Raises
    ------
    UserError
        One differs; the message has it, and the value that it must have.
    """
    given = {"ops": list(parameters["run"]["ops"])}
    given |= {name: {**parameters["model"], **parameters["optimizer"]}[name] for name in REGIME}
    for name, value in {"ops": ["add"], **REGIME}.items():
        if given[name] != value:
            raise UserError(f"{run} must be of the slow regime, {name} {value}, got {given[name]}; edit params.yaml")


class SlowRun:
    """Tables of the run, and the numbers that are read off them.

    Raises
    ------
    UserError
        A table is missing, damaged, or of another run.
    """

    def __init__(self, folder: RunFolder, threshold: float) -> None:
        self.training, self.geometry = folder.read(TRAINING), Geometry.load(folder)
        with located(f"geometry of {folder.path.name}"):
            self.numbers = geometry_numbers(self.geometry, self.training)
        self.grokked = grok_step(self.training, str(self.training["op"].iloc[0]), threshold)

    def beside_paper(self) -> pd.DataFrame:
        """A row per quantity: the run's value, the paper's ends, and where the paper has them."""
        numbers, lead, grokked = self.numbers, self.numbers["lead"], self.grokked
        rows = {
            "grok step": (grokked, paper.SLOW_GROK_STEP),
            "ρ, median over the measurements": (numbers["rho"], paper.SLOW_RHO),
            "onset of the commutator defect": (numbers["onset"], paper.SLOW_ONSET),
            "step of 90 % held-out accuracy": (numbers["accurate_step"], paper.SLOW_ACCURATE_STEP),
            "lead, steps": (lead, paper.SLOW_LEAD),
            "lead / grok step": (lead / grokked if lead is not None and grokked else None, paper.SLOW_LEAD_SHARE),
            "PC1 %, smallest of the matrices": (numbers["pc1_min"], paper.SLOW_PC1_PERCENT),
            "PC1 %, largest of the matrices": (numbers["pc1_max"], paper.SLOW_PC1_PERCENT),
        }
        table = [
            {"quantity": name, "measured": value, "low": found.low, "high": found.high, "source": found.source}
            for name, (value, found) in rows.items()
        ]
        return pd.DataFrame(table).astype({"measured": "Float64"})

    def figure(self) -> Figure:
        """Commutator defect, logarithmic, and held-out accuracy against the step; onset and grok step marked."""
        with mpl.rc_context(STYLE):
            figure, panels = panels_of(["run"], "Commutator defect in the slow regime, add")
            axes = panels["run"]
            axes.plot(
                self.geometry.curvature.set_index("step")["defect"], color=BLUE, label="defect, median of the draws"
            )
            axes.set(yscale="log", ylabel="commutator defect")
            if self.numbers["onset"] is not None:
                axes.axvline(self.numbers["onset"], color=ORANGE, linewidth=1.4, linestyle=":", label="onset")
            axes.plot([], [], color=GREY, linestyle="-.", label="held-out accuracy (right)")
            right = right_axis(axes, "held-out accuracy")
            right.plot(self.training.set_index("step")["test_accuracy"], color=GREY, linestyle="-.")
            right.set(ylim=(-0.02, 1.04))
            axes.xaxis.set_major_formatter(lambda step, _: f"{step:,.0f}")
            return finish(figure, panels, {"run": self.grokked})


def for_reading(table: pd.DataFrame) -> pd.DataFrame:
    """The table as it is printed: each number in its digits, the paper's ends as one range."""
    measured = [NOTHING if pd.isna(value) else number(value, digits=4) for value in table["measured"]]
    stated = [spanned(low, high) for low, high in zip(table["low"], table["high"], strict=True)]
    return pd.DataFrame(
        {"quantity": table["quantity"], "paper": stated, "here": measured, "where in the paper": table["source"]}
    )
