"""Commutators of gradient steps along a run: how large they are, and in which directions they lie.

Shapes: θ, gradients and commutators are ``[params]``, over *all* parameters of the network.
"""

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sedlib.base.progress import track
from sedlib.base.randomness import generator
from sedlib.curvature import (
    Commutator,
    GradientAt,
    LostInRoundingError,
    alignment,
    commutators,
    decompose,
    expected_random_share,
    pooled_pairs,
)
from sedlib.pipeline.geometry.all_parameters import positions_of
from sedlib.pipeline.geometry.compared_bases import Basis, ComparedBases
from sedlib.pipeline.parameters.geometry_params import FEWEST, CurvatureParams, measured
from sedlib.pipeline.parameters.sections import ParamsError
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.pipeline.study import Examples
from sedlib.positions import Positions
from sedlib.vectors import ParamLayout

SHARES = ("rho", "share", "random_share", "expected_share")


def measure_curvature(checkpoints: RunCheckpoints, settings: CurvatureParams) -> Iterator[dict[str, Any]]:
    """Rows of a tidy table, one for each measurement and basis.

    Each has the median defect of the draws with its quartiles, and means over them: ρ and the share in the basis, the
    share in random subspaces and what it is in expectation, and the alignment with the step from the checkpoint before,
    empty at the first. Where the weights determine no basis, what is relative to it is empty.

    Memory: the bases and their random subspaces.

    Raises
    ------
    ParamsError
        The run has too few checkpoints, or too little variety for the components, or a gradient is zero or not finite.
    """
    positions, steps = positions_of(checkpoints), checkpoints.steps
    indices = measured(steps, settings.every)
    if len(indices) < FEWEST:
        raise ParamsError(
            f"{checkpoints.file.filename}: an onset needs {FEWEST} measurements, and geometry.curvature.every = "
            f"{settings.every} leaves {len(indices)} of the {len(steps)} checkpoints to step {steps[-1]}; choose a "
            "smaller one"
        )
    device = checkpoints.device
    bases = ComparedBases(checkpoints, positions, settings)
    gradient_at = batch_gradient(checkpoints.study.losses, checkpoints.network, positions.layout)
    for index in track(indices, len(indices), "curvature", lambda index: f"step {steps[index]:,}"):
        theta = _theta(positions, index).to(device)
        batches = _batches(checkpoints, settings, steps[index])
        pairs = pooled_pairs(settings.draws)
        motion = None if index == 0 else theta - _theta(positions, index - 1).to(device)
        try:
            found = commutators_at(gradient_at, theta, batches, pairs, settings.eta)
            rows = [
                {"basis": name, **readings(found, basis, others, motion)} for name, basis, others in bases.at(theta)
            ]
        except ValueError as error:
            raise ParamsError(
                f"{checkpoints.file.filename}, step {steps[index]}: {error} (geometry.curvature.eta = {settings.eta})"
            ) from error
        yield from ({"step": steps[index], **row} for row in rows)


def commutators_at(
    gradient_at: GradientAt,
    theta: Float[Tensor, " params"],
    batches: Sequence[Sequence[Tensor]],
    pairs: Sequence[tuple[int, int]],
    step_size: float,
) -> list[Commutator]:
    """``sedlib.curvature.commutators`` of a ``batch_gradient``, in θ's dtype; in float64 inside, where it has to be."""
    try:
        return list(commutators(gradient_at, theta, batches, pairs, step_size))
    except LostInRoundingError:
        found = commutators(gradient_at, theta.double(), batches, pairs, step_size)
        return [replace(commutator, delta=commutator.delta.to(theta.dtype)) for commutator in found]


def readings(
    found: list[Commutator], basis: Basis | None, others: list[Basis], motion: Float[Tensor, " params"] | None
) -> dict[str, float | None]:
    """What is read off the commutators of one measurement, without its step and the basis's name."""
    deltas = torch.stack([commutator.delta for commutator in found])
    return {
        **_quartiles([commutator.defect for commutator in found]),
        **(dict.fromkeys(SHARES) if basis is None else _shares(deltas, basis, others)),
        "alignment": None if motion is None else alignment(motion, deltas),
        "expected_alignment": expected_random_share(1, deltas.shape[1]),
    }


def batch_gradient(
    losses: Callable[[nn.Module, Examples], Tensor], network: nn.Module, layout: ParamLayout
) -> GradientAt:
    """Gradient of the summed ``losses`` on inputs and targets at any θ, in its dtype; ``network`` stays as it is."""
    networks = {dtype: deepcopy(network).to(dtype).requires_grad_(True) for dtype in (torch.float32, torch.float64)}

    def at(theta: Float[Tensor, " params"], inputs: Tensor, targets: Tensor) -> Float[Tensor, " params"]:
        network = networks[theta.dtype]
        examples = Examples(inputs, targets).to(theta.device, theta.dtype)
        parameters = layout.of(network)
        with torch.no_grad():
            for name, value in layout.unflatten(theta).items():
                parameters[name].copy_(value)
        found = torch.autograd.grad(losses(network, examples).sum(), list(parameters.values()))
        return torch.cat([gradient.reshape(-1) for gradient in found])

    return at


def _batches(checkpoints: RunCheckpoints, settings: CurvatureParams, step: int) -> list[tuple[Tensor, Tensor]]:
    """Training inputs and their targets; those of a step are the same whichever others are measured."""
    training = checkpoints.study.examples("train")
    random = generator(settings.seed, f"commutator batches/{step}")
    n_batches = 1 + max(max(pair) for pair in pooled_pairs(settings.draws))
    drawn = torch.randint(len(training), (n_batches, settings.batch_size), generator=random)
    batches = (training.chosen(numbers).to(checkpoints.device) for numbers in drawn)
    return [(batch.inputs, batch.targets) for batch in batches]


def _theta(positions: Positions, index: int) -> Float[Tensor, " params"]:
    return torch.from_numpy(positions[slice(index, index + 1), slice(None)][0])


def _quartiles(defects: list[float]) -> dict[str, float]:
    low, median, high = torch.tensor(defects, dtype=torch.float64).quantile(
        torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64)
    )
    return {"defect": float(median), "defect_low": float(low), "defect_high": float(high)}


def _shares(deltas: Float[Tensor, "vectors params"], basis: Basis, others: list[Basis]) -> dict[str, float]:
    parts = decompose(deltas, basis)
    norms = torch.linalg.vector_norm(deltas, dim=1, dtype=torch.float64)
    # Only the share is asked of these: a fifth of the time of decompose.
    random = torch.stack([(deltas @ other.T).double().norm(dim=1) / norms for other in others])
    means = (float(shares.mean()) for shares in (parts.rho, parts.share, random))
    return dict(zip(SHARES, (*means, expected_random_share(*basis.shape)), strict=True))
