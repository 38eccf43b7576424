"""All results that exist, and the commands for those that do not."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from sedlib.base.errors import UserError
from sedlib.report.numbers.ablated import ablation_table
from sedlib.report.numbers.cell_results import grok_steps
from sedlib.report.numbers.experiments import experiment
from sedlib.report.numbers.paper import OPS
from sedlib.report.numbers.results import WRITERS, RunResults, read_table
from sedlib.report.numbers.trajectories import Geometry

Kind = Literal["single_task", "multitask"]
KINDS: tuple[Kind, ...] = ("single_task", "multitask")
"""Runs of one operation, and of several."""


@dataclass(frozen=True)
class Expected:
    """What params.yaml asks for."""

    runs: Sequence[str]
    ablated: Sequence[str]
    single_step: Sequence[str]
    cells: Mapping[str, str]
    """Names of the intervention cells, with the stage of each."""
    grok_threshold: float


@dataclass(frozen=True)
class Collection:
    """The tables of all runs that are there."""

    expected: Expected
    runs: dict[str, RunResults]
    summaries: dict[str, dict[str, Any]]
    ablations: dict[str, pd.DataFrame]
    single_steps: dict[str, tuple[pd.DataFrame, ...]]
    """Ratios and angles."""
    geometry: dict[str, Geometry]
    cells: pd.DataFrame | None
    trajectories: pd.DataFrame | None
    """Readouts of every intervention cell over training."""
    missing: dict[str, str]
    """What is not there, and the command that computes it."""

    def summaries_of(self, kind: Kind) -> dict[str, dict[str, Any]]:
        """Summaries of the runs of a kind that have no weight decay of their own."""
        return {
            name: summary
            for name, summary in self.summaries.items()
            if (len(summary["ops"]) > 1) == (kind == "multitask") and summary.get("weight_decay") is None
        }

    def counted(self, kind: Kind) -> list[str]:
        """The runs of a kind that the paper's claims are about: no controls."""
        return [run for run in self.summaries_of(kind) if run not in self.controls]

    @property
    def controls(self) -> dict[str, str]:
        """Experiment of each run that the paper's claims are not about: another operation, or its own weight decay.

        Its numbers stand by themselves, never in a mean, a claim or a sign test over the others.
        """
        return {
            name: experiment(summary)
            for name, summary in self.summaries.items()
            if summary.get("weight_decay") is not None or not set(summary["ops"]) <= set(OPS)
        }


def collect(folder: Path, expected: Expected) -> Collection:
    """Read what is in ``folder``, a folder per run and ``interventions``.

    Raises
    ------
    UserError
        There is nothing at all.
    """
    runs: dict[str, RunResults] = {}
    missing: dict[str, str] = {}
    for run in expected.runs:
        if (folder / run / "summary.json").exists():
            runs[run] = RunResults.load(folder / run)
        else:
            missing[f"run {run}"] = f"dvc repro figures@{run}"
    summaries = {run: json.loads((folder / run / "summary.json").read_text()) for run in runs}
    ablations, single_steps = {}, {}
    for run in expected.ablated:
        if run in runs and any((folder / run / "ablation").glob("*.csv")):
            ablations[run] = ablation_table(runs[run], folder / run, expected.grok_threshold)
        else:
            missing[f"ablations of {run}"] = "dvc repro ablations/dvc.yaml"
    for run in expected.single_step:
        if run in runs and (folder / run / "single_step.csv").exists():
            single_steps[run] = tuple(read_table(folder / run, f"single_step{part}") for part in ("", "_angles"))
        else:
            missing[f"single-checkpoint bases of {run}"] = f"dvc repro ablations/dvc.yaml:single_step@{run}"
    geometry = {}
    for run in expected.runs:
        if run in runs and Geometry.is_there(folder / run):
            geometry[run] = Geometry.load(folder / run)
        else:
            writers = (f"{WRITERS[table]}@{run}" for table in ("trajectory", "curvature"))
            missing[f"geometry of {run}"] = f"dvc repro {' '.join(writers)}"
    cells, trajectories = _interventions(folder / "interventions", expected, missing)
    if not runs and cells is None:
        raise UserError(f"no results in {folder}; compute them with `dvc repro`, or fetch them with `dvc pull`")
    return Collection(expected, runs, summaries, ablations, single_steps, geometry, cells, trajectories, missing)


def _interventions(
    folder: Path, expected: Expected, missing: dict[str, str]
) -> tuple[pd.DataFrame | None, pd.DataFrame | None]:
    """Grok steps and trajectories of the cells that params.yaml asks for, and no others."""
    there = [name for name in expected.cells if (folder / f"{name}.csv").exists()]
    missing |= {f"cell {name}": f"dvc repro {stage}" for name, stage in expected.cells.items() if name not in there}
    if not there:
        return None, None
    trajectories = pd.concat([pd.read_csv(folder / f"{name}.csv").assign(cell=name) for name in there])
    return grok_steps([folder / f"{name}.csv" for name in there], expected.grok_threshold), trajectories
