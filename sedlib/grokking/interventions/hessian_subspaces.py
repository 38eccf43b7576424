r"""Subspaces of the training loss's top Hessian or Gauss–Newton eigenvectors, as a null for SED directions.

Song et al. (arXiv 2405.16002) project gradients on, and out of, the top eigenspace of the Hessian, and find that
training needs the rest. Here the eigenvectors are those of the target parameters alone, on a fresh training batch,
computed anew every 25 steps by Lanczos iteration:

.. math::
    H = \nabla^2 L, \qquad G = J^\top H_z J,

J the Jacobian of the logits z and :math:`H_z` the Hessian of the loss in them, which makes G positive semidefinite.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse.linalg import LinearOperator
from torch import Tensor
from torch.nn import functional as F

from sedlib.base.randomness import generator
from sedlib.fisher import lanczos
from sedlib.grokking.interventions.cells import Cell
from sedlib.grokking.interventions.intervened import Intervene
from sedlib.grokking.interventions.projected_steps import ProjectedSteps, target_of
from sedlib.grokking.interventions.subspaces import Subspace
from sedlib.grokking.network.evaluation import Data
from sedlib.grokking.network.losses import pair_losses
from sedlib.grokking.network.model import GrokkingTransformer
from sedlib.grokking.setup.experiment import Experiment
from sedlib.grokking.setup.projection_params import ProjectionParams
from sedlib.grokking.training.stepping import Intervention
from sedlib.pipeline.resume.kept_states import State
from sedlib.projection import Projector, onto_basis
from sedlib.terms.condition import Condition
from sedlib.vectors import ParamLayout

EVERY = 25
"""Steps between two computations of the eigenvectors."""
TOLERANCE = 1e-3
"""Of the eigenvalues, relative to their size."""
Product = Callable[[Float[Tensor, " params"]], Float[Tensor, " params"]]
Kind = Literal["hessian", "gauss-newton"]
KINDS: tuple[Kind, ...] = ("hessian", "gauss-newton")


@dataclass(frozen=True)
class CurvatureCondition(Condition):
    """Keeping or removing top eigenvectors; it is of this sweep alone, and not in the list of conditions."""

    basis: Kind = "hessian"  # type: ignore[assignment]  # no other condition has one of these


def hessian_product(logits_at: Callable[[Tensor], Tensor], answers: Tensor, theta: Float[Tensor, " params"]) -> Product:
    """Products with the Hessian of the summed losses, as derivatives of the gradient."""
    gradient = torch.func.grad(lambda at: pair_losses(logits_at(at), answers).mean(-1).sum())
    pull_back = torch.func.vjp(gradient, theta)[1]
    return lambda vector: pull_back(vector)[0]


def gauss_newton_product(
    logits_at: Callable[[Tensor], Tensor], answers: Tensor, theta: Float[Tensor, " params"]
) -> Product:
    """Products with Jᵀ H_z J, H_z of cross-entropy: diag(p) − p pᵀ for each pair, over their number."""

    def product(vector: Float[Tensor, " params"]) -> Float[Tensor, " params"]:
        logits, moved, *_ = torch.func.jvp(logits_at, (theta,), (vector,))
        shares = F.softmax(logits, -1)
        curved = shares * (moved - (shares * moved).sum(-1, keepdim=True)) / answers.shape[-1]
        _, pull_back, *_ = torch.func.vjp(logits_at, theta)
        return pull_back(curved)[0]

    return product


PRODUCTS = {"hessian": hessian_product, "gauss-newton": gauss_newton_product}


class CurvatureSubspace(Subspace):
    """Top eigenvectors of the training loss's curvature in the target, computed anew every 25 steps."""

    def __init__(
        self,
        kind: str,
        rank: int,
        model: GrokkingTransformer,
        data: Data,
        target: ParamLayout,
        batch_size: int,
        seed: int,
    ) -> None:
        draws = generator(seed, "curvature batches")
        super().__init__(self._next_basis, draws)
        self._kind, self._rank, self._model, self._data, self._target = kind, rank, model, data, target
        self._draws, self._batch_size = draws, batch_size
        self._steps = 0
        self._basis: Tensor | None = None

    def state_dict(self) -> State:
        """The generator, the number of projected steps, and the basis."""
        return {**super().state_dict(), "steps": self._steps, "basis": self._basis}

    def load_state_dict(self, state: State) -> None:
        """Go on from a state."""
        super().load_state_dict(state)
        self._steps = state["steps"]
        self._basis = None if state["basis"] is None else state["basis"].to(self._data.train_pairs.device)

    def _next_basis(self) -> Projector:
        if self._basis is None or self._steps % EVERY == 0:
            self._basis = self.eigenvectors()
        self._steps += 1
        return onto_basis(self._basis)

    def eigenvectors(self) -> Float[Tensor, "rank target"]:
        """Eigenvectors of the largest eigenvalues, on a fresh batch; fewer where no more are determined."""
        theta = self._target.flatten(self._model.state_dict()).detach().clone()
        drawn = torch.randint(len(self._data.train_pairs), (self._batch_size,), generator=self._draws)
        pairs, answers = (part.to(theta.device) for part in _chosen(self._data, drawn))
        embedded = self._model.embed(pairs).detach()

        def logits_at(at: Float[Tensor, " params"]) -> Tensor:
            return cast("Tensor", torch.func.functional_call(self._model, self._target.unflatten(at), (embedded,)))

        product = PRODUCTS[self._kind](logits_at, answers, theta)

        def matvec(vector: np.ndarray) -> np.ndarray:
            return product(torch.from_numpy(vector.reshape(-1)).to(theta)).detach().double().cpu().numpy()

        operator = LinearOperator((len(theta), len(theta)), matvec=matvec, dtype=np.float64)
        with torch.enable_grad():
            found = lanczos(operator, self._rank, self._draws, TOLERANCE, allow_fewer=True)
        if not len(found.directions):
            raise ValueError(f"the {self._kind} of the training batch determines no eigenvector; choose a larger batch")
        return found.directions.to(theta)


def _chosen(data: Data, drawn: Tensor) -> tuple[Tensor, Tensor]:
    there = drawn.to(data.train_pairs.device)
    return data.train_pairs[there], data.train_answers[:, there]


def projecting_curvature(cell: Cell, settings: ProjectionParams, experiment: Experiment) -> Intervene:
    """What a cell does: steps are kept in the top eigenspace, or kept out of it."""

    def intervene(model: GrokkingTransformer, data: Data) -> Intervention:
        target, size, seed = target_of(cell, settings, model), experiment.optimizer.batch_size, experiment.run.seed
        kind = str(cell.condition.basis)
        subspace = CurvatureSubspace(kind, settings.rank, model, data, target, size, seed)
        return ProjectedSteps(cell, settings, model, target, subspace)

    return intervene
