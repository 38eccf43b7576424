"""Parameters of the trajectory's geometry, and the checkpoints at which its curvature is measured."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from sedlib.pipeline.parameters.limits import COUNT
from sedlib.pipeline.parameters.sections import Section, StageParams
from sedlib.pipeline.parameters.value_types import Count, Examples, Seed, Steps

FEWEST = 3
"""Checkpoints that a trajectory needs, and measurements that an onset needs."""


class WalkParams(Section):
    """The random walks beside the trajectory of each matrix of the slots."""

    count: Annotated[int, COUNT] = Field(
        100, ge=2, le=COUNT.most, description="Random walks with the step lengths of each matrix."
    )
    seed: Seed = Field(0, description="Seed of the walks.")


class CurvatureParams(Section):
    """Commutators of gradient steps along training."""

    every: Steps = Field(200, description="Steps between measurements, at least; the first is at step 0.")
    draws: Count = Field(9, description="Pairs of training batches at each measurement, pooled.")
    batch_size: Examples = Field(512, description="Training examples in a batch, drawn with replacement.")
    eta: float = Field(
        0.001, ge=1e-8, le=1, description="η: size of the two gradient steps; smaller ones are lost even in float64."
    )
    components: Count = Field(
        2, description="Principal components of the trajectory of each matrix of the slots in the execution basis."
    )
    random_subspaces: Count = Field(
        5, description="Random subspaces of the execution basis's dimension, to compare shares with."
    )
    seed: Seed = Field(0, description="Seed of the batches and of the random subspaces.")


class GeometryParams(Section):
    """What is measured of a run's trajectory in the space of all parameters."""

    walks: WalkParams = WalkParams()
    curvature: CurvatureParams = CurvatureParams()


class TrajectoryParams(StageParams):
    """What the stages of the trajectory's geometry read."""

    geometry: GeometryParams = GeometryParams()


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
