"""What is chosen once for a whole run: the gradient batch, and the checkpoints at which networks are measured."""

from typing import Literal

import numpy as np

from sedlib.base.randomness import generator
from sedlib.pipeline.parameters.row_params import GradientBatchParams
from sedlib.pipeline.study import Examples, Study


def fixed_batch(study: Study, settings: GradientBatchParams) -> Examples:
    """The batch B, drawn once for all checkpoints."""
    return study.examples(settings.pairs).drawn(settings.size, generator(settings.seed, "gradient batch"))


def measured_checkpoints(n_checkpoints: int, count: int | Literal["all"]) -> list[int]:
    """``count`` evenly spaced checkpoints, the first and the last included; all if there are no more."""
    if count == "all" or count >= n_checkpoints:
        return list(range(n_checkpoints))
    return [int(index) for index in np.linspace(0, n_checkpoints - 1, count).round()]
