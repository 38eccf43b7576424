"""Random directions: the numbers of a seeded generator, of length 1."""

import numpy as np
import torch

import sedlib.sampling as sampling
from sedlib.base.randomness import generator
from sedlib.selftest.check import Pair, check
from sedlib.selftest.setting import Setting
from sedlib.selftest.tolerance import SINGLE


@check("sampling.random_directions", SINGLE)
def random_directions(_: Setting) -> Pair:
    """The same normal numbers, each row divided by its length; their mean and variance are those of the sphere."""
    count, size = 4, 20_000

    def expected() -> list[np.ndarray]:
        drawn = torch.randn(count, size, generator=generator(0, "selftest")).double().numpy()
        return [drawn / np.sqrt((drawn**2).sum(1, keepdims=True))]

    return lambda: [torch.stack(tuple(sampling.random_directions(count, size, generator(0, "selftest"))))], expected
