"""The whole of a project's params.yaml, and what its values must be to one another. No torch."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from sedlib.base.edited import watched
from sedlib.pipeline.parameters.basis_params import BasisParams
from sedlib.pipeline.parameters.coupling_params import RunCouplingParams
from sedlib.pipeline.parameters.geometry_params import TrajectoryParams
from sedlib.pipeline.parameters.grok_params import GrokParams
from sedlib.pipeline.parameters.row_params import RowParams
from sedlib.pipeline.parameters.sections import MOST_PROBLEMS, PARAMS_FILE, ParamsError, read_params, some, validated
from sedlib.studies.definition.run_settings import RunSettings, StudyParams


class ProjectParams(StudyParams, RunCouplingParams, BasisParams, RowParams, GrokParams, TrajectoryParams):
    """All of params.yaml."""

    frozen_runs: list[str] = Field([], description="Runs that are trained again while their slots stay as they are.")
    curvature_runs: list[str] = Field([], description="Runs whose commutator defect is measured.")

    @classmethod
    @watched
    def read(cls, path: Path = PARAMS_FILE) -> "ProjectParams":
        """The file, with no key that nothing reads.

        Raises
        ------
        ParamsError
            A value is refused, alone or beside another; the message names key, value and remedy.
        """
        params = validated(cls, read_params(path), path)
        if problems := list(params.problems(path)):
            raise ParamsError("\n".join(f"{path}: {problem}" for problem in problems[:MOST_PROBLEMS]))
        return params

    def problems(self, path: Path) -> Iterator[str]:
        """What in a file of valid values cannot be."""
        if not self.runs:
            yield "runs is empty; name a run, such as mine-1: {seed: 1}"
        for key in ("frozen_runs", "curvature_runs"):
            for run in set(getattr(self, key)) - set(self.runs):
                yield f"{key}: no run {run!r} under 'runs'; there are: {some(self.runs)}"
        settings = {run: self.chosen(run, path) for run in self.runs}
        for run, found in settings.items():
            yield from self._of_run(run, found)

    def _of_run(self, run: str, found: RunSettings) -> Iterator[str]:
        training = found.training
        updates = training.steps // training.checkpoint_every
        if found.checkpoints is None and updates < self.window:
            yield (
                f"window = {self.window} needs as many updates, and run {run} has {updates}: training.steps = "
                f"{training.steps}, a checkpoint every {training.checkpoint_every}; choose a smaller window, or more"
            )
        if found.checkpoints is not None and run in self.frozen_runs:
            yield f"frozen_runs: {run} has finished checkpoints, and is not trained; take it out"
