"""Interventions on the steps of selected parameters, by default the attention slots.

A step x (the gradient, or AdamW's update) is replaced by a part of it once the first W steps are over:

=============  ==================================================================================================
control        x, at every step
remove-sed     (I − P) x, P the projector on the SED basis of the last W steps
keep-sed       P x
remove-random  (I − P) x, P the projector on a fresh random subspace of the same rank
keep-random    P x; with ``coordinates``, on a fresh random subset of the coordinates
freeze         0; under ``projection: gradient`` weight decay still moves the parameters
=============  ==================================================================================================

The history of the SED conditions holds the rows as applied, after projection, or with ``-raw`` before it. Source:
arXiv 2604.25143, section 5; ``raw`` and freeze are additions.
"""

from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from sedlib.grokking.cells import Cell
from sedlib.grokking.checkpoints import Checkpoint
from sedlib.grokking.evaluation import Data
from sedlib.grokking.experiment import Experiment
from sedlib.grokking.intervention_params import InterventionParams
from sedlib.grokking.model import GrokkingTransformer
from sedlib.grokking.schema import ParamsError
from sedlib.grokking.stepping import Intervention
from sedlib.grokking.training import train
from sedlib.progress import track
from sedlib.projection import (
    Projector,
    RollingHistory,
    onto_basis,
    onto_coordinates,
    overlap,
    random_basis,
    random_coordinates,
    removing,
)
from sedlib.randomness import generator
from sedlib.vectors import ParamLayout


class ProjectedSteps(Intervention):
    """Lets through a part of each step of the ``target`` parameters."""

    def __init__(
        self, cell: Cell, settings: InterventionParams, model: GrokkingTransformer, generator: torch.Generator
    ) -> None:
        target = _target(settings, model)
        if cell.coordinates is not None and cell.coordinates > target.size:
            raise ParamsError(
                f"--coordinates {cell.coordinates:,} exceeds the {target.size:,} of the target; choose fewer"
            )
        if settings.rank > target.size:
            raise ParamsError(f"interventions.rank = {settings.rank} exceeds the {target.size:,} target parameters")
        self._cell, self._settings, self._generator = cell, settings, generator
        self._target, self._parameters = target, target.of(model)
        self._device = model.token.device
        self._is_sed = "-sed" in cell.condition
        self._history = RollingHistory(settings.window if self._is_sed else 0, target.size, self._device)
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
        part = natural if self._steps <= self._settings.window else self._projector()(natural)
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
        elif self._cell.coordinates is not None:
            kept = random_coordinates(self._cell.coordinates, self._target.size, self._generator)
            onto = onto_coordinates(kept.to(self._device))
        else:
            onto = onto_basis(random_basis(self._settings.rank, self._target.size, self._generator).to(self._device))
        return removing(onto) if self._cell.condition.startswith("remove") else onto

    def _next_sed_basis(self) -> Tensor:
        basis = self._history.basis(self._settings.rank)
        if self._basis is not None:
            self._overlaps.append(float(overlap(self._basis, basis)))
        self._basis = basis
        return basis


def trajectory(
    cell: Cell, experiment: Experiment, settings: InterventionParams, device: torch.device
) -> list[dict[str, Any]]:
    """Train under the cell's intervention; rows of a tidy table, one per checkpoint and operation.

    Raises
    ------
    ParamsError
        The target matches no parameters, or the cell asks for more coordinates than it has.
    """

    def intervene(model: GrokkingTransformer) -> Intervention:
        if cell.condition == "control":
            return Intervention()
        return ProjectedSteps(cell, settings, model, generator(experiment.run.seed, "random projectors"))

    run = experiment.run
    checkpoints = train(experiment, Data.of(experiment, device), device, intervene)
    total = run.max_steps // run.checkpoint_every + 1
    labels = {**cell.model_dump(), "seed": run.seed, "max_steps": run.max_steps}
    return [
        {
            **labels,
            "step": checkpoint.step,
            **asdict(readout),
            "passed": None,
            "overlap": None,
            **checkpoint.intervention,
        }
        for checkpoint in track(checkpoints, total, cell.name, _describe)
        for readout in checkpoint.readouts
    ]


def _describe(checkpoint: Checkpoint) -> str:
    accuracies = ", ".join(f"{readout.op} {readout.test_accuracy:.0%}" for readout in checkpoint.readouts)
    return f"step {checkpoint.step:,} test accuracy {accuracies}"


def _target(settings: InterventionParams, model: GrokkingTransformer) -> ParamLayout:
    if settings.target == "attention":
        return ParamLayout.attention(model)
    try:
        return ParamLayout.select(model, *settings.target)
    except ValueError as error:
        raise ParamsError(f"interventions.target: {error}") from error


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
