"""All results that exist, and the commands for those that do not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from sedlib.base.errors import UserError
from sedlib.report.numbers.ablated import ablation_table
from sedlib.report.numbers.cell_results import grok_steps, read_cell
from sedlib.report.numbers.experiments import experiment
from sedlib.report.numbers.paper import OPS
from sedlib.report.numbers.results import RunFolder, RunResults
from sedlib.report.numbers.rungs import ladder
from sedlib.report.numbers.trajectories import Geometry
from sedlib.terms.tables.ablation_table import ablating_stage
from sedlib.terms.tables.curvature_table import CURVATURE
from sedlib.terms.tables.permuted_table import PERMUTED
from sedlib.terms.tables.single_step_tables import ANGLES, SINGLE_STEP
from sedlib.terms.tables.trajectory_tables import TRAJECTORY

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
    parameters: Mapping[str, str] = field(default_factory=dict)
    """JSON of all that determines each run, where that is known: results of another are refused."""
    cell_parameters: Mapping[str, str | None] = field(default_factory=dict)
    """JSON of all that determines each cell, where that is known."""
    permuted: Sequence[str] = ()
    """Runs with the null of permuted answers."""
    axes: Sequence[str] = ()
    """Axes of the ablations, each with a table of its own."""


@dataclass(frozen=True)
class Collection:
    """The tables of all runs that are there."""

    expected: Expected
    runs: dict[str, RunResults]
    ladders: dict[str, pd.DataFrame]
    """The estimator ladder of every run: metrics and charts both begin with it."""
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
    permuted: dict[str, pd.DataFrame] = field(default_factory=dict)
    """The null of permuted answers."""

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
        There is nothing at all, or a file is damaged or of another run.
    """
    runs: dict[str, RunResults] = {}
    missing: dict[str, str] = {}
    folders = {run: RunFolder(folder / run, expected.parameters.get(run)) for run in expected.runs}
    for run in expected.runs:
        if (folder / run / "summary.json").exists():
            runs[run] = RunResults.load(folders[run])
        else:
            missing[f"run {run}"] = f"dvc repro figures@{run}"
    summaries = {run: folders[run].summary() for run in runs}
    ablations, single_steps = {}, {}
    for run in expected.ablated:
        if run in runs and any((folder / run / "ablation").glob("*.csv")):
            ablations[run] = ablation_table(runs[run], folders[run], expected.grok_threshold)
            missing |= {
                f"ablation of {run} over {axis}": f"dvc repro {ablating_stage(run, axis)}"
                for axis in expected.axes
                if axis not in set(ablations[run]["axis"])
            }
        else:
            missing[f"ablations of {run}"] = "dvc repro ablations/dvc.yaml"
    for run in expected.single_step:
        if run in runs and (folder / run / "single_step.csv").exists():
            single_steps[run] = tuple(folders[run].read(schema) for schema in (SINGLE_STEP, ANGLES))
        else:
            missing[f"single-checkpoint bases of {run}"] = f"dvc repro {SINGLE_STEP.stage_of(run)}"
    geometry = {}
    for run in expected.runs:
        if run in runs and Geometry.is_there(folders[run]):
            geometry[run] = Geometry.load(folders[run])
        else:
            writers = (schema.stage_of(run) for schema in (TRAJECTORY, CURVATURE))
            missing[f"geometry of {run}"] = f"dvc repro {' '.join(writers)}"
    permuted = {}
    for run in expected.permuted:
        if run in runs and (folder / run / "permuted.csv").exists():
            permuted[run] = folders[run].read(PERMUTED)
        else:
            missing[f"permuted answers of {run}"] = f"dvc repro {PERMUTED.stage_of(run)}"
    cells, trajectories = _interventions(folder / "interventions", expected, missing)
    if not runs and cells is None:
        raise UserError(f"no results in {folder}; compute them with `dvc repro`, or fetch them with `dvc pull`")
    return Collection(
        expected=expected,
        runs=runs,
        ladders={run: ladder(results, expected.grok_threshold) for run, results in runs.items()},
        summaries=summaries,
        ablations=ablations,
        single_steps=single_steps,
        geometry=geometry,
        cells=cells,
        trajectories=trajectories,
        missing=missing,
        permuted=permuted,
    )


def _interventions(
    folder: Path, expected: Expected, missing: dict[str, str]
) -> tuple[pd.DataFrame | None, pd.DataFrame | None]:
    """Grok steps and trajectories of the cells that params.yaml asks for, and no others."""
    there = [name for name in expected.cells if (folder / f"{name}.csv").exists()]
    missing |= {f"cell {name}": f"dvc repro {stage}" for name, stage in expected.cells.items() if name not in there}
    if not there:
        return None, None
    stages, parameters = expected.cells, expected.cell_parameters
    cells = {name: read_cell(folder / f"{name}.csv", stages[name], parameters.get(name)) for name in there}
    trajectories = pd.concat([table.assign(cell=name) for name, table in cells.items()])
    return grok_steps(list(cells.values()), expected.grok_threshold), trajectories
