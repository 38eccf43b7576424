"""Bases from one checkpoint alone, its examples' gradients, beside those from rows over time.

Shapes: bases are ``[rank, params]``.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

import h5py
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from sedlib.base.progress import track
from sedlib.base.randomness import generator
from sedlib.bases import directions
from sedlib.fisher import empirical_fisher, gradient_basis, lanczos
from sedlib.gradients import LossAt, per_example_gradients
from sedlib.grokking.setup.pairs import answers
from sedlib.pipeline.centroids.probing import CentroidKind, Probes
from sedlib.pipeline.coupling.measurement import CheckpointResponses, Measurement, drawn_directions
from sedlib.pipeline.parameters.sections import ParamsError
from sedlib.pipeline.rows.networks import MeasuredNetworks
from sedlib.pipeline.rows.spectra import read_bases
from sedlib.pipeline.rows.streams import read_streams
from sedlib.projection import principal_angles

Basis = Float[Tensor, "rank params"]
PAIRS = (
    ("per-example", "mean-gradient"),
    ("per-example", "window"),
    ("mean-gradient", "window"),
    ("per-example", "lanczos"),
)
"""Estimators whose bases are compared."""


def measure_single_steps(
    networks: MeasuredNetworks,
    bases: h5py.File,
    phases: Mapping[str, int],
    rank: int,
    measurement: Measurement,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of two tidy tables, for each operation at the step of each phase.

    The first has the coupling ratios of each estimator's directions, for both definitions of the centroid. Estimators:
    ``per-example``, the top ``rank`` right singular vectors of the fixed batch's centred per-example gradients;
    ``lanczos``, the same from products with the empirical Fisher matrix; ``mean-gradient``, which is W = 1;
    ``window``, the basis of the longest window in ``bases``, at checkpoints where it is whole. The second has the
    principal angles between ``PAIRS`` of them.

    Raises
    ------
    ParamsError
        The batch has too few examples for the rank, or Lanczos iteration does not converge.
    """
    ratios, angles = [], []
    ops = networks.experiment.run.ops
    probes = Probes.of(networks, measurement.probes)
    random = drawn_directions(networks, measurement.random_directions)
    for phase, step in track(phases.items(), len(phases), "single step", lambda item: f"{item[0]}, step {item[1]:,}"):
        index = networks.steps.index(step)
        kinds = [replace(measurement, centroid=kind) for kind in get_args(CentroidKind)]
        responses = [CheckpointResponses(networks, index, probes, kind) for kind in kinds]
        baselines = [along.baseline(random) for along in responses]
        for op in ops:
            labels = {"phase": phase, "step": step, "op": op}
            try:
                found = _estimates(responses[0], networks.file, bases, index, op, rank)
            except ValueError as error:
                raise ParamsError(f"step {step}, {op}: {error}") from error
            for estimator, basis in found.items():
                for along, baseline in zip(responses, baselines, strict=True):
                    definition = {"estimator": estimator, "centroid": along.measurement.centroid}
                    ratios += [{**labels, **definition, **row} for row in along.ratios(basis, op, baseline)]
            for first, second in PAIRS:
                if first in found and second in found:
                    angles += _angles({**labels, "first": first, "second": second}, found[first], found[second])
    return ratios, angles


def _estimates(
    responses: CheckpointResponses, gradients: h5py.File, bases: h5py.File, index: int, op: str, rank: int
) -> dict[str, Basis]:
    loss_at, examples = _example_losses(responses, torch.from_numpy(gradients["batch"][:]), op)
    rows = per_example_gradients(loss_at, responses.theta, examples)
    per_example, _ = gradient_basis(rows, rank)
    fisher = empirical_fisher(loss_at, responses.theta, examples)
    iterated, _ = lanczos(fisher, rank, generator(0, "lanczos"))
    mean = rows.mean(0)
    found = {
        "per-example": per_example,
        "lanczos": iterated.to(per_example),
        "mean-gradient": (mean / mean.norm())[None],
    }
    stream = next(stream for stream in read_streams(gradients) if stream.op == op)
    basis, used_at = read_bases(bases, stream)[-1]
    if index in used_at:
        found["window"] = directions(stream.rows, basis, used_at.index(index)).to(per_example)
    return found


def _example_losses(responses: CheckpointResponses, batch: Tensor, op: str) -> tuple[LossAt, tuple[Tensor, Tensor]]:
    """Loss of one pair on ``op`` as a function of the attention slots, and the batch's inputs and answers."""
    model, layout, task = responses.model, responses.layout, responses.ops.index(op)
    device = model.token.device
    targets = answers([op], batch, len(model.token))[0].to(device)

    def loss_at(theta: Tensor, h: Tensor, target: Tensor) -> Tensor:
        logits = torch.func.functional_call(model, layout.unflatten(theta), (h[None],))[task]
        return F.cross_entropy(logits, target[None])

    return loss_at, (model.embed(batch.to(device)), targets)


def _angles(labels: dict[str, Any], first: Basis, second: Float[Tensor, "other params"]) -> list[dict[str, Any]]:
    cosine = float((first[0].double() @ second[0].double()).abs())
    return [
        {**labels, "first_cosine": cosine, "number": number, "angle": angle}
        for number, angle in enumerate(principal_angles(first, second).tolist(), start=1)
    ]
