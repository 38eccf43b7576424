r"""Sustained kicks in the direction of curvature, to see whether more of it brings grokking forward.

Every 50 steps from step ``start`` on, all parameters are moved by

.. math::
    \alpha \, \eta \lVert g \rVert \, \delta_\perp / \lVert \delta_\perp \rVert,

:math:`\delta_\perp` the part across the execution basis of the commutator of two fresh training batches, α the size in
gradient steps of length η = ``geometry.curvature.eta`` and :math:`\lVert g \rVert` the mean gradient norm of the two
batches. Source: arXiv 2602.16746.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from sedlib.base.errors import located
from sedlib.grokking.interventions.cells import Cell
from sedlib.grokking.network.evaluation import Data
from sedlib.grokking.network.model import GrokkingTransformer
from sedlib.grokking.study import Grokking
from sedlib.grokking.training.stepping import Intervention
from sedlib.pipeline.geometry.defects import batch_gradient, commutators_at
from sedlib.pipeline.resume.kept_states import State
from sedlib.vectors import ParamLayout

EVERY = 50
"""Steps between kicks. No parameter: the sweep varies their size alone."""


LEAST_ACROSS = 1e-6
"""Length of the commutator's part across the basis, relative to its own: what is less is rounding in float32."""


class Kicks(Intervention):
    """Moves all parameters along the commutator's part across ``execution``, the finished run's basis."""

    def __init__(
        self,
        cell: Cell,
        study: Grokking,
        eta: float,
        data: Data,
        model: GrokkingTransformer,
        generator: torch.Generator,
        execution: Float[Tensor, "directions params"],
    ) -> None:
        self._cell = cell
        self._size, self._start = cell.size or 0.0, cell.start or 0
        self._batch_size, self._eta = study.experiment.optimizer.batch_size, eta
        self._data, self._generator, self._execution = data, generator, execution
        self._layout = ParamLayout.select(model, "*")
        self._parameters = self._layout.of(model)
        self._gradient_at = batch_gradient(study.losses, model, self._layout)
        self._steps = 0

    def after_optimizer(self) -> None:
        """Kick, if it is time."""
        self._steps += 1
        if self._steps >= self._start and (self._steps - self._start) % EVERY == 0:
            theta = self._layout.flatten(self._parameters).detach().clone()
            with located(f"{self._cell.name}, step {self._steps:,}"):
                kicked = theta + self._kick(theta)
            with torch.no_grad():
                for name, value in self._layout.unflatten(kicked).items():
                    self._parameters[name].copy_(value)

    def state_dict(self) -> State:
        """The number of steps, and the generator of the batches."""
        return {"steps": self._steps, "generator": self._generator.get_state()}

    def load_state_dict(self, state: State) -> None:
        """Go on from a state."""
        self._steps = state["steps"]
        self._generator.set_state(state["generator"])

    def _kick(self, theta: Float[Tensor, " params"]) -> Float[Tensor, " params"]:
        batches = [self._batch() for _ in range(2)]
        (found,) = commutators_at(self._gradient_at, theta, batches, [(0, 1)], self._eta)
        across = found.delta - (self._execution @ found.delta) @ self._execution
        norms = [self._gradient_at(theta, *batch).norm() for batch in batches]
        length, of_whole = float(across.norm()), float(found.delta.norm())
        if not LEAST_ACROSS * of_whole < length < math.inf:
            raise ValueError(
                f"a kick has no direction: the commutator has length {of_whole:.3g}, its part outside the execution "
                f"basis {length:.3g}; choose another geometry.curvature.eta or fewer geometry.curvature.components"
            )
        return self._size * self._eta * torch.stack(norms).mean() * across / across.norm()

    def _batch(self) -> tuple[Tensor, Tensor]:
        drawn = torch.randint(len(self._data.train_pairs), (self._batch_size,), generator=self._generator)
        drawn = drawn.to(self._data.train_pairs.device)
        return self._data.train_pairs[drawn], self._data.train_answers[:, drawn]
