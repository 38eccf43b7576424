"""The tidy tables of one run, and the two quantities that all of the report is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from sedlib.base import tables as base

WRITERS = {
    "training": "train",
    "spectra": "bases",
    "centroids": "centroids",
    "coupling": "coupling",
    "fourier": "fourier",
    "trajectory": "geometry/dvc.yaml:trajectory",
    "trajectory_windows": "geometry/dvc.yaml:trajectory",
    "curvature": "geometry/dvc.yaml:curvature",
    "restricted_loss": "fourier",
    "single_step": "ablations/dvc.yaml:single_step",
    "single_step_angles": "ablations/dvc.yaml:single_step",
}
"""The stage that writes each table."""


EVERY_STUDYS_TABLES = ("training", "spectra", "centroids", "coupling")
GROKKING_TABLES = ("fourier", "restricted_loss")


@dataclass(frozen=True)
class RunResults:
    """Tables of one run as its stages wrote them."""

    training: pd.DataFrame
    spectra: pd.DataFrame
    centroids: pd.DataFrame
    coupling: pd.DataFrame
    own: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """Tables that the study alone has, by name."""

    @classmethod
    def load(cls, folder: Path, own: Sequence[str] = GROKKING_TABLES) -> "RunResults":
        """Read the tables in ``folder``; ``own`` are those that the study alone has.

        Raises
        ------
        UserError
            One is missing or unreadable; the message names the file and the remedy.
        """
        tables = {name: read_table(folder, name) for name in EVERY_STUDYS_TABLES}
        return cls(**tables, own={name: read_table(folder, name) for name in own})

    @property
    def fourier(self) -> pd.DataFrame | None:
        """Frequencies of the centroids, where the study has them."""
        return self.own.get("fourier")

    @property
    def restricted_loss(self) -> pd.DataFrame | None:
        """Losses by frequencies of the logits, where the study has them."""
        return self.own.get("restricted_loss")

    @property
    def ops(self) -> list[str]:
        """Operations of the run, in its order."""
        return list(self.training["op"].unique())


def read_table(folder: Path, name: str) -> pd.DataFrame:
    """The table ``name`` of the run whose results are in ``folder``.

    Raises
    ------
    UserError
        It is missing or unreadable; the message names the file and the remedy.
    """
    return base.read_table(folder / f"{name}.csv", f"dvc repro {WRITERS.get(name, name)}@{folder.name}")


def grok_step(training: pd.DataFrame, op: str, threshold: float) -> int | None:
    """First checkpoint at which the test accuracy of ``op`` reaches ``threshold``; None if none does, or has any."""
    if "test_accuracy" not in training:
        return None
    reached = training[(training["op"] == op) & (training["test_accuracy"] >= threshold)]
    return None if reached.empty else int(reached["step"].min())


def before_grokking(curve: pd.DataFrame, grokked: int | None) -> pd.DataFrame:
    """The rows of ``curve`` up to the grok step; none where there is no grok step."""
    return curve.iloc[:0] if grokked is None else curve[curve["step"] <= grokked]


def mean_ratios(coupling: pd.DataFrame) -> pd.DataFrame:
    r"""R̄ of every basis: :math:`\bar R_k = \operatorname{mean}_{i \le k} R_i` by op, stream, window and step."""
    keys = ["op", "stream", "window", "step"]
    return coupling.groupby(keys, sort=False)[["ratio"]].mean().reset_index()
