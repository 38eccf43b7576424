r"""Training steps of which a part is taken away; by default the steps of the attention slots.

A step x (the gradient, or AdamW's update) is replaced once the first W steps, or ``start`` of them, are over:

=================  ==============================================================================================
remove-sed         (I − P) x, P the projector on the SED basis of the last W steps
keep-sed           P x
remove-random      (I − P) x, P the projector on a fresh random subspace of the same rank
keep-random        P x; with ``coordinates``, on a fresh random subset of the coordinates
keep-fixed-random  P x, P the projector on one random subspace
keep-execution     P x, P the projector on the execution basis of the finished run (``execution.py``)
freeze             0; under ``projection: gradient`` weight decay still moves the parameters
=================  ==============================================================================================

With a ``strength`` s, keeping is suppression of the rest, :math:`x \mapsto P x + (1 - s)(I - P) x`; without one s = 1.
The history of the SED conditions holds the rows as applied, after projection, or with ``-raw`` before it. Sources:
arXiv 2604.25143, section 5, and arXiv 2602.16746 for suppression; ``raw`` and freeze are additions.
"""

import math

import torch
from torch import Tensor

from sedlib.base.errors import located
from sedlib.base.randomness import generator
from sedlib.grokking.interventions.cells import Cell
from sedlib.grokking.interventions.intervened import Intervene
from sedlib.grokking.interventions.subspaces import Subspace, mean, subspace_of
from sedlib.grokking.network.evaluation import Data
from sedlib.grokking.network.model import GrokkingTransformer
from sedlib.grokking.setup.projection_params import ProjectionParams
from sedlib.grokking.training.stepping import Intervention
from sedlib.pipeline.parameters.sections import ParamsError
from sedlib.pipeline.resume.kept_states import State
from sedlib.projection import removing
from sedlib.terms.condition import CONTROL
from sedlib.vectors import ParamLayout


class ProjectedSteps(Intervention):
    """Lets through a part of each step of the ``target`` parameters, with respect to a subspace."""

    def __init__(
        self,
        cell: Cell,
        settings: ProjectionParams,
        model: GrokkingTransformer,
        target: ParamLayout,
        subspace: Subspace,
    ) -> None:
        self._cell, self._subspace = cell, subspace
        self._natural_steps = settings.window if cell.start is None else cell.start
        self._target, self._parameters = target, target.of(model)
        self._steps = 0
        self._passed: list[float] = []

    @torch.no_grad()
    def before_optimizer(self) -> None:
        """Project the gradient, or remember the parameters."""
        if self._cell.projection == "update":
            self._before = self._target.flatten(self._parameters)
            return
        gradients = {name: parameter.grad for name, parameter in self._parameters.items()}
        natural = self._target.flatten(gradients)  # type: ignore[arg-type]
        for name, part in self._target.unflatten(self._part(natural)).items():
            self._parameters[name].grad.copy_(part)  # type: ignore[union-attr]

    @torch.no_grad()
    def after_optimizer(self) -> None:
        """Project the update."""
        if self._cell.projection == "gradient":
            return
        after = self._target.flatten(self._parameters)
        natural = after - self._before
        part = self._part(natural)
        # What passes whole keeps its bits, and so does what does not move.
        moved = torch.where(part == natural, after, self._before.add_(part))
        for name, value in self._target.unflatten(moved).items():
            self._parameters[name].copy_(value)

    def read_out(self) -> dict[str, float | None]:
        """Mean share of the steps that passed, as ratio of norms, and mean overlap of successive bases."""
        passed, self._passed = self._passed, []
        return {"passed": mean(passed), "overlap": self._subspace.read_out()}

    def state_dict(self) -> State:
        """The number of steps, the shares that were not read out, and the subspace's state."""
        return {"steps": self._steps, "passed": self._passed, "subspace": self._subspace.state_dict()}

    def load_state_dict(self, state: State) -> None:
        """Go on from a state."""
        self._steps, self._passed = state["steps"], list(state["passed"])
        self._subspace.load_state_dict(state["subspace"])

    def _part(self, natural: Tensor) -> Tensor:
        self._steps += 1
        with located(f"{self._cell.name}, step {self._steps:,}"):
            part = natural if self._steps <= self._natural_steps else self._projected(natural)
            self._passed.append(_share_passed(natural, part))
            self._subspace.record(natural, part)
        return part

    def _projected(self, natural: Tensor) -> Tensor:
        onto = self._subspace.next_projector()
        if self._cell.condition.verb == "remove":
            return removing(onto)(natural)
        if self._cell.strength is None:
            return onto(natural)
        return natural - self._cell.strength * (natural - onto(natural))


def _share_passed(natural: Tensor, part: Tensor) -> float:
    """Ratio of norms."""
    norm = natural.norm()
    share = float(part.norm() / norm)
    if not math.isfinite(share):
        raise ValueError(
            f"no share of the target's step passed: the step has length {float(norm):.3g}, the part let through "
            f"{float(part.norm()):.3g}; choose another interventions.target, or a smaller optimizer.lr"
        )
    return share


def projecting(cell: Cell, settings: ProjectionParams, seed: int) -> Intervene:
    """What a cell does that needs no finished run: nothing in the control, else projection.

    Raises
    ------
    ParamsError
        When called for a network: the cell asks for more than its target has.
    """

    def intervene(model: GrokkingTransformer, data: Data) -> Intervention:
        if cell.condition == CONTROL:
            return Intervention()
        target, draws = target_of(cell, settings, model), generator(seed, "random projectors")
        subspace = subspace_of(cell, settings, target.size, draws, model.token.device)
        return ProjectedSteps(cell, settings, model, target, subspace)

    return intervene


def target_of(cell: Cell, settings: ProjectionParams, model: GrokkingTransformer) -> ParamLayout:
    """The parameters whose steps the cell projects.

    Raises
    ------
    ParamsError
        A pattern of ``interventions.target`` matches none.
    """
    target = cell.target or settings.target
    if target == "attention":
        return ParamLayout.attention(model)
    try:
        return ParamLayout.select(model, *(["*"] if target == "all" else target))
    except ValueError as error:
        raise ParamsError(f"interventions.target: {error}") from error
