"""What there is of a study's runs, by experiment: runs that differ by their seed alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from sedlib.base.errors import UserError
from sedlib.leads import accurate_step, onset
from sedlib.report.numbers.gap_onsets import gap_numbers
from sedlib.report.numbers.results import RunFolder, RunResults, mean_ratios
from sedlib.report.numbers.trajectories import in_basis
from sedlib.terms.stream_names import UPDATE
from sedlib.terms.tables.curvature_table import CURVATURE
from sedlib.terms.tables.frozen_table import FROZEN

Stream = tuple[str, int]
"""A stream, and the window of its basis."""


@dataclass(frozen=True)
class StudyRun:
    """One run's tables."""

    name: str
    seed: int
    results: RunResults
    frozen: pd.DataFrame | None = None
    curvature: pd.DataFrame | None = None

    @classmethod
    def load(cls, folder: Path, name: str, parameters: str, seed: int) -> "StudyRun":
        """The tables in ``folder``.

        Raises
        ------
        UserError
            One is damaged, or of another run.
        """
        of = RunFolder(folder / name, parameters)
        optional = {schema.name: schema for schema in (FROZEN, CURVATURE)}
        there = {key: of.read(schema) for key, schema in optional.items() if (of.path / f"{key}.csv").exists()}
        if CURVATURE.name in there:
            there[CURVATURE.name] = in_basis(there[CURVATURE.name])
        return cls(name, seed, RunResults.load(of, ()), **there)

    @cached_property
    def window(self) -> int:
        """Rows in a window."""
        return int(self.results.coupling["window"].max())

    @cached_property
    def curves(self) -> pd.DataFrame:
        """R̄ by task, stream, window and step, at the checkpoints at which the update's window is whole."""
        ratios = mean_ratios(self.results.coupling)
        whole = ratios[(ratios["stream"] == UPDATE) & (ratios["window"] == self.window)]["step"]
        return ratios[ratios["step"].isin(set(whole))]

    def ratio(self, task: str, stream: str, window: int) -> float | None:
        """Median of R̄ over the checkpoints of ``curves``; None where there is no such basis."""
        curves = self.curves
        own = curves[(curves["op"] == task) & (curves["stream"] == stream) & (curves["window"] == window)]
        return None if own.empty else float(own["ratio"].median())

    @property
    def measures_accuracy(self) -> bool:
        """Whether the study has accuracies, as a regression has not."""
        return "test_accuracy" in self.results.training

    def generalised(self, task: str) -> int | None:
        """First step at which 90 % of the held-out examples are right."""
        training = self.results.training
        own = training[training["op"] == task]
        if "test_accuracy" not in own:
            return None
        return accurate_step(own["step"].to_numpy(), own["test_accuracy"].to_numpy())

    def onsets(self) -> Mapping[str, int | None]:
        """Onset of the commutator defect, and of the gap of the update's windows; empty where nobody measured them."""
        if self.curvature is None:
            return {}
        steps, defects = (self.curvature[name].to_numpy() for name in ("step", "defect"))
        gap = gap_numbers(self.results.spectra, self.curvature, None)["gap_onset"]
        return {"commutator defect": onset(steps, np.asarray(defects, float)), "spectral gap": gap}


@dataclass(frozen=True)
class Experiment:
    """Runs that differ by their seed alone, with tasks in order."""

    name: str
    runs: list[StudyRun] = field(default_factory=list)

    @property
    def tasks(self) -> list[str]:
        """Names of the tasks."""
        return self.runs[0].results.ops

    def never_generalises(self, task: str) -> bool:
        """Whether no seed reaches the accuracy."""
        return all(run.generalised(task) is None for run in self.runs)


def experiments(runs: Mapping[str, list[StudyRun]]) -> list[Experiment]:
    """Those with any run.

    Raises
    ------
    UserError
        There is no run at all, or two of one experiment have the same seed.
    """
    found = [Experiment(name, some) for name, some in runs.items() if some]
    if not found:
        raise UserError("no results in artifacts/results; compute them with `dvc repro`, or fetch them with `dvc pull`")
    for each in found:
        seeds = [run.seed for run in each.runs]
        if len(set(seeds)) < len(seeds):
            raise UserError(f"experiment {each.name}: expected a seed for each run, got {seeds}; name them NAME-SEED")
    return found
