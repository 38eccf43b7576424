r"""Commutator defects as differences of two θ in float32, every 100 steps, beside those that rounding does not move.

:math:`\theta_{AB} - \theta_{BA}` loses what is below the rounding of θ. Where gradients are short, late in training,
what is left is noise, and so is the defect's growth.
"""

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sedlib.base.progress import track
from sedlib.base.randomness import generator
from sedlib.curvature import GradientAt, pooled_pairs
from sedlib.pipeline.geometry.all_parameters import positions_of
from sedlib.pipeline.geometry.defects import batch_gradient, commutators_at
from sedlib.pipeline.parameters.geometry_params import CurvatureParams, measured
from sedlib.pipeline.rows.checkpoints import RunCheckpoints

EVERY = 100
"""Steps between the scripts' measurements."""


def rounded_defect(
    gradient_at: GradientAt, theta: Float[Tensor, " params"], first: list[Tensor], second: list[Tensor], eta: float
) -> float:
    """The defect of the difference of θ after both orders of two steps, each θ rounded to its dtype."""
    g_a, g_b = gradient_at(theta, *first), gradient_at(theta, *second)
    ends = [
        theta - eta * one - eta * gradient_at(theta - eta * one, *batch) for one, batch in ((g_a, second), (g_b, first))
    ]
    return float((ends[0] - ends[1]).norm() / ((eta * g_a).norm() * (eta * g_b).norm()))


def measure_defects(checkpoints: RunCheckpoints, settings: CurvatureParams) -> Iterator[dict[str, Any]]:
    """Rows of a tidy table: the median defect at each measurement, and the median by rounded differences."""
    positions, steps = positions_of(checkpoints), checkpoints.steps
    gradient_at = batch_gradient(checkpoints.study.losses, checkpoints.network, positions.layout)
    training, pairs = checkpoints.study.examples("train"), pooled_pairs(settings.draws)
    indices = measured(steps, EVERY)
    for index in track(indices, len(indices), "defects", lambda index: f"step {steps[index]:,}"):
        theta = torch.from_numpy(positions[slice(index, index + 1), slice(None)][0]).to(checkpoints.device)
        random = generator(settings.seed, f"commutator batches/{steps[index]}")
        drawn = torch.randint(len(training), (1 + max(map(max, pairs)), settings.batch_size), generator=random)
        chosen = [training.chosen(numbers).to(checkpoints.device) for numbers in drawn]
        batches = [[batch.inputs, batch.targets] for batch in chosen]
        exact = [found.defect for found in commutators_at(gradient_at, theta, batches, pairs, settings.eta)]
        rounded = [rounded_defect(gradient_at, theta, batches[a], batches[b], settings.eta) for a, b in pairs]
        yield {
            "step": steps[index],
            "defect": float(torch.tensor(exact, dtype=torch.float64).quantile(0.5)),
            "rounded_defect": float(torch.tensor(rounded, dtype=torch.float64).quantile(0.5)),
        }
