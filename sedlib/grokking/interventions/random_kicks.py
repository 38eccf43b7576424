r"""Sustained kicks in random directions, as long as the kicks along commutators that they stand beside.

Every 50 steps from step ``start`` on, all parameters are moved by :math:`\alpha \, \eta \lVert g \rVert \, r_\perp /
\lVert r_\perp \rVert`, r a fresh Gaussian direction and :math:`r_\perp` its part across the execution basis; α, η and
:math:`\lVert g \rVert` as in ``kicks.py``. Source: the scripts of arXiv 2602.16746, whose random kicks have one length.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from sedlib.base.randomness import generator
from sedlib.grokking.interventions.cells import Cell
from sedlib.grokking.interventions.intervened import Intervene
from sedlib.grokking.interventions.kicks import Kicks
from sedlib.grokking.network.evaluation import Data
from sedlib.grokking.network.model import GrokkingTransformer
from sedlib.grokking.setup.experiment import Experiment
from sedlib.grokking.study import Grokking
from sedlib.grokking.training.stepping import Intervention
from sedlib.terms.condition import Condition

RANDOM_KICK = Condition("kick", "random")


class RandomKicks(Kicks):
    """Moves all parameters along a random direction across ``execution``, the finished run's basis."""

    def _kick(self, theta: Float[Tensor, " params"]) -> Float[Tensor, " params"]:
        batches = [self._batch() for _ in range(2)]
        norms = [self._gradient_at(theta, *batch).norm() for batch in batches]
        direction = torch.randn(len(theta), generator=self._generator).to(theta)
        across = direction - (self._execution @ direction) @ self._execution
        return self._size * self._eta * torch.stack(norms).mean() * across / across.norm()


def kicking(cell: Cell, experiment: Experiment, eta: float, execution: Float[Tensor, "directions params"]) -> Intervene:
    """What a cell does: random kicks across a finished run's basis."""

    def intervene(model: GrokkingTransformer, data: Data) -> Intervention:
        draws = generator(experiment.run.seed, "random kicks")
        return RandomKicks(cell, Grokking(experiment), eta, data, model, draws, execution)

    return intervene
