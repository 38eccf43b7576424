"""Bases from one checkpoint alone, its examples' gradients, beside those from rows over time.

Shapes: bases are ``[rank, params]``.
"""

from collections.abc import Mapping
from typing import Any

import h5py
from jaxtyping import Float
from torch import Tensor

from sedlib.base.errors import located
from sedlib.base.progress import track
from sedlib.base.randomness import generator
from sedlib.bases import directions
from sedlib.fisher import empirical_fisher, gradient_basis, lanczos
from sedlib.gradients import LossAt, per_example_gradients
from sedlib.pipeline.centroids.probing import probes_of
from sedlib.pipeline.coupling.checkpoint_responses import CheckpointResponses
from sedlib.pipeline.coupling.measurement import drawn_directions
from sedlib.pipeline.parameters.phase_params import PhaseParams
from sedlib.pipeline.rows.bases_file import read_bases, used_windows
from sedlib.pipeline.rows.fixed_choices import fixed_batch
from sedlib.pipeline.rows.networks import MeasuredNetworks
from sedlib.pipeline.rows.streams import GRADIENTS, RowSettings, read_streams
from sedlib.pipeline.study import Examples
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
    params: PhaseParams,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of two tidy tables, for each task at the step of each phase.

    The first has the coupling ratios of each estimator's directions, for every definition of the centroid. Estimators:
    ``per-example``, the top ``params.rank`` right singular vectors of the fixed batch's centred per-example gradients;
    ``lanczos``, the same from products with the empirical Fisher matrix; ``mean-gradient``, which is W = 1;
    ``window``, the basis of the longest window in ``bases``, at checkpoints where it is whole and determined. The
    second has the principal angles between ``PAIRS`` of them.

    Raises
    ------
    UserError
        The batch has too few examples for the rank, Lanczos iteration does not converge, or a number is not finite; the
        message names step and task.
    """
    ratios, angles = [], []
    study = networks.study
    probes = probes_of(study, params.probes, networks.device)
    random = drawn_directions(networks, params.random_directions)
    batch = _dumped_batch(networks)
    for phase, step in track(phases.items(), len(phases), "single step", lambda item: f"{item[0]}, step {item[1]:,}"):
        index = networks.steps.index(step)
        kinds = [params.with_centroid(kind) for kind in study.centroids]
        responses = [CheckpointResponses(networks, index, probes, kind) for kind in kinds]
        baselines = [along.baseline(random) for along in responses]
        for task in study.tasks:
            labels = {"phase": phase, "step": step, "op": task}
            with located(f"step {step:,}, {task}"):
                found = _estimates(responses[0], batch, networks, bases, index, task, params.rank)
                for estimator, basis in found.items():
                    for along, baseline in zip(responses, baselines, strict=True):
                        definition = {"estimator": estimator, "centroid": along.params.centroid}
                        ratios += [{**labels, **definition, **row} for row in along.ratios(basis, task, baseline)]
                for first, second in PAIRS:
                    if first in found and second in found:
                        angles += _angles({**labels, "first": first, "second": second}, found[first], found[second])
    return ratios, angles


def _estimates(
    responses: CheckpointResponses,
    batch: Examples,
    networks: MeasuredNetworks,
    bases: h5py.File,
    index: int,
    task: str,
    rank: int,
) -> dict[str, Basis]:
    loss_at, examples = example_losses(responses, batch, task)
    rows = per_example_gradients(loss_at, responses.theta, examples)
    per_example = gradient_basis(rows, rank).directions
    fisher = empirical_fisher(loss_at, responses.theta, examples)
    iterated = lanczos(fisher, rank, generator(0, "lanczos")).directions
    mean = rows.mean(0)
    if not mean.norm() > 0:
        raise ValueError("the mean gradient of the batch is zero, so it has no direction")
    found = {
        "per-example": per_example,
        "lanczos": iterated.to(per_example),
        "mean-gradient": (mean / mean.norm())[None],
    }
    stream = next(stream for stream in read_streams(networks.file, networks.study) if stream.task == task)
    basis, used_at = read_bases(bases, stream)[-1]
    if (number := used_windows(basis, used_at).get(index)) is not None:
        found["window"] = directions(stream.rows, basis, number).to(per_example)
    return found


def _dumped_batch(networks: MeasuredNetworks) -> Examples:
    """The fixed batch on which the file's gradients were taken."""
    return fixed_batch(networks.study, GRADIENTS.settings(networks.file, RowSettings)).to(networks.device)


def example_losses(responses: CheckpointResponses, batch: Examples, task: str) -> tuple[LossAt, tuple[Tensor, Tensor]]:
    """Loss of one example on ``task`` as a function of the slots, and the batch's embedded inputs and targets."""
    study, checkpoint = responses.study, responses.checkpoint
    number = list(study.tasks).index(task)

    def loss_at(theta: Tensor, h: Tensor, target: Tensor) -> Tensor:
        losses = checkpoint.at(study.example_losses, theta)
        return losses(h[None], target[:, None])[number, 0]

    return loss_at, (checkpoint.at(study.embedded)(batch.inputs), batch.targets.movedim(1, 0))


def _angles(labels: dict[str, Any], first: Basis, second: Float[Tensor, "other params"]) -> list[dict[str, Any]]:
    cosine = float((first[0].double() @ second[0].double()).abs())
    return [
        {**labels, "first_cosine": cosine, "number": number, "angle": angle}
        for number, angle in enumerate(principal_angles(first, second).tolist(), start=1)
    ]
