"""Parameters of the trajectory's geometry, and the checkpoints at which its curvature is measured."""

from collections.abc import Sequence

from pydantic import Field

from sedlib.grokking.setup.experiment import Positive, RunParams, Seed
from sedlib.pipeline.parameters.sections import Section

FEWEST = 3
"""Checkpoints that a trajectory needs, and measurements that an onset needs."""


class WalkParams(Section):
    """The random walks beside each attention matrix's trajectory."""

    count: int = Field(100, ge=2, description="Random walks with the step lengths of each attention matrix.")
    seed: Seed = Field(0, description="Seed of the walks.")


class CurvatureParams(Section):
    """Commutators of gradient steps along training."""

    every: Positive = Field(200, description="Steps between measurements, at least; the first is at step 0.")
    draws: Positive = Field(9, description="Pairs of training batches at each measurement, pooled.")
    batch_size: Positive = Field(512, description="Training pairs in a batch, drawn with replacement.")
    eta: float = Field(0.001, gt=0, description="η: size of the two gradient steps.")
    components: Positive = Field(
        2, description="Principal components of each attention matrix's trajectory in the execution basis."
    )
    random_subspaces: Positive = Field(
        5, description="Random subspaces of the execution basis's dimension, to compare shares with."
    )
    seed: Seed = Field(0, description="Seed of the batches and of the random subspaces.")


class GeometryParams(Section):
    """What is measured of a run's trajectory in the space of all parameters."""

    walks: WalkParams = WalkParams()
    curvature: CurvatureParams = CurvatureParams()

    def problem(self, name: str, run: RunParams) -> str | None:
        """Why these do not fit the run ``name`` even if it trains to its last step; None where they do."""
        intervals = run.max_steps // run.checkpoint_every
        every, components = self.curvature.every, self.curvature.components
        steps = [run.checkpoint_every * index for index in range(intervals + 1)]
        if len(steps) < FEWEST:
            return (
                f"run {name} has at most {len(steps)} checkpoints (max_steps {run.max_steps} / checkpoint_every "
                f"{run.checkpoint_every}), and a trajectory needs {FEWEST}; choose a smaller checkpoint_every"
            )
        if (count := len(measured(steps, every))) < FEWEST:
            return (
                f"geometry.curvature.every = {every} leaves run {name} at most {count} measurements, and an onset "
                f"needs {FEWEST}; choose every ≤ {intervals // (FEWEST - 1) * run.checkpoint_every}"
            )
        if components > intervals:
            return (
                f"geometry.curvature.components = {components} exceeds the {intervals} that the {len(steps)} "
                f"checkpoints of run {name} can have; choose ≤ {intervals}"
            )
        return None


def measured(steps: Sequence[int], every: int) -> list[int]:
    """Indices of the first checkpoint and of each that comes at least ``every`` steps after the last one chosen.

    >>> measured([0, 25, 50, 75, 100], 50)
    [0, 2, 4]
    >>> measured([0, 200, 400], 50)
    [0, 1, 2]
    """
    chosen = [0]
    for index, step in enumerate(steps):
        if step - steps[chosen[-1]] >= every:
            chosen.append(index)
    return chosen
