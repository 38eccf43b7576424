r"""Training steps of which a part is taken away; by default the steps of the attention slots.

A step x (the gradient, or AdamW's update) is replaced once the first W steps, or ``start`` of them, are over:

=================  ==============================================================================================
remove-sed         (I − P) x, P the projector on the SED basis of the last W steps
keep-sed           P x
remove-random      (I − P) x, P the projector on a fresh random subspace of the same rank
keep-random        P x; with ``coordinates``, on a fresh random subset of the coordinates
keep-fixed-random  P x, P the projector on one random subspace
keep-execution     P x, P the projector on the execution basis of the finished run
freeze             0; under ``projection: gradient`` weight decay still moves the parameters
=================  ==============================================================================================

With a ``strength`` s, keeping is suppression of the rest, :math:`x \mapsto P x + (1 - s)(I - P) x`; without one s = 1.
The history of the SED conditions holds the rows as applied, after projection, or with ``-raw`` before it. Sources:
arXiv 2604.25143, section 5, and arXiv 2602.16746 for suppression; ``raw`` and freeze are additions.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from sedlib.grokking.interventions.cells import Cell
from sedlib.grokking.network.model import GrokkingTransformer
from sedlib.grokking.setup.intervention_params import InterventionParams
from sedlib.grokking.training.stepping import Intervention
from sedlib.pipeline.parameters.sections import ParamsError
from sedlib.projection import (
    Projector,
    RollingHistory,
    onto_basis,
    onto_coordinates,
    orthonormal,
    overlap,
    random_basis,
    random_coordinates,
    removing,
)
from sedlib.vectors import ParamLayout


class ProjectedSteps(Intervention):
    """Lets through a part of each step of the target parameters; ``execution`` is the finished run's basis."""

    def __init__(
        self,
        cell: Cell,
        settings: InterventionParams,
        model: GrokkingTransformer,
        generator: torch.Generator,
        execution: Float[Tensor, "directions params"] | None = None,
    ) -> None:
        target = _target(cell, settings, model)
        self._rank = settings.rank if cell.rank is None else cell.rank
        self._natural_steps = settings.window if cell.start is None else cell.start
        self._is_sed = "-sed" in cell.condition
        if cell.coordinates is not None and cell.coordinates > target.size:
            raise ParamsError(
                f"--coordinates {cell.coordinates:,} exceeds the {target.size:,} of the target; choose fewer"
            )
        if self._rank > target.size:
            raise ParamsError(f"interventions.rank = {self._rank} exceeds the {target.size:,} target parameters")
        if self._is_sed and self._rank > settings.window:
            raise ParamsError(f"--rank {self._rank} exceeds interventions.window = {settings.window}; choose less")
        if self._is_sed and self._natural_steps < settings.window:
            raise ParamsError(
                f"--start {cell.start} leaves a history shorter than interventions.window = {settings.window}; "
                "choose a later start"
            )
        self._cell, self._generator = cell, generator
        self._target, self._parameters = target, target.of(model)
        self._device = model.token.device
        self._history = RollingHistory(settings.window if self._is_sed else 0, target.size, self._device)
        self._fixed: Tensor | None = None
        if cell.condition == "keep-fixed-random":
            self._fixed = self._random_basis()
        elif cell.condition == "keep-execution":
            if execution is None:
                raise ValueError("keep-execution needs the execution basis of the finished run")
            self._fixed = _restricted(execution, ParamLayout.select(model, "*"), target)
        self._steps = 0
        self._basis: Tensor | None = None
        self._passed: list[float] = []
        self._overlaps: list[float] = []

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
        passed, overlaps = self._passed, self._overlaps
        self._passed, self._overlaps = [], []
        return {"passed": _mean(passed), "overlap": _mean(overlaps)}

    def _part(self, natural: Tensor) -> Tensor:
        self._steps += 1
        part = natural if self._steps <= self._natural_steps else self._projector()(natural)
        norm = natural.norm()
        self._passed.append(float(part.norm() / norm) if norm > 0 else 0.0)
        if self._is_sed:
            self._history.append(natural if self._cell.condition.endswith("-raw") else part)
        return part

    def _projector(self) -> Projector:
        if self._cell.condition == "freeze":
            return torch.zeros_like
        if self._is_sed:
            onto = onto_basis(self._next_sed_basis())
        elif self._fixed is not None:
            onto = onto_basis(self._fixed)
        elif self._cell.coordinates is not None:
            kept = random_coordinates(self._cell.coordinates, self._target.size, self._generator)
            onto = onto_coordinates(kept.to(self._device))
        else:
            onto = onto_basis(self._random_basis())
        if self._cell.condition.startswith("remove"):
            return removing(onto)
        return onto if self._cell.strength is None else _suppressing(onto, self._cell.strength)

    def _random_basis(self) -> Tensor:
        return random_basis(self._rank, self._target.size, self._generator).to(self._device)

    def _next_sed_basis(self) -> Tensor:
        basis = self._history.basis(self._rank, allow_fewer=True)  # steps kept in few dimensions stay in these
        if self._basis is not None:
            self._overlaps.append(float(overlap(self._basis, basis)))
        self._basis = basis
        return basis


def _target(cell: Cell, settings: InterventionParams, model: GrokkingTransformer) -> ParamLayout:
    target = cell.target or settings.target
    if target == "attention":
        return ParamLayout.attention(model)
    try:
        return ParamLayout.select(model, *(["*"] if target == "all" else target))
    except ValueError as error:
        raise ParamsError(f"interventions.target: {error}") from error


def _suppressing(onto: Projector, strength: float) -> Projector:
    """Takes a share of what is outside the subspace."""
    return lambda natural: natural - strength * (natural - onto(natural))


def _restricted(
    basis: Float[Tensor, "directions params"], layout: ParamLayout, target: ParamLayout
) -> Float[Tensor, "directions target"]:
    """The basis of all parameters, restricted to the target."""
    try:
        return orthonormal(torch.stack([target.flatten(layout.unflatten(row)) for row in basis]))
    except ValueError as error:
        raise ParamsError(f"interventions.target leaves too little of the execution basis: {error}") from error


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
