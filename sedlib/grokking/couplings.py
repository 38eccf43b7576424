"""Coupling ratios of a run: every stream's bases at the measured checkpoints.

Shapes: responses are ``[directions, tasks]``.
"""

from collections.abc import Iterator
from typing import Any, Literal

import h5py
import torch

from sedlib.bases import directions
from sedlib.coupling import (
    Baseline,
    CentroidsAt,
    Response,
    central_difference,
    coupling_ratios,
    jvp,
    random_baseline,
    random_directions,
)
from sedlib.grokking.checkpoints import RunCheckpoints
from sedlib.grokking.params import ProbeParams, RandomDirectionParams, ResponseParams
from sedlib.grokking.probing import CentroidKind, Probes, centroid_function, measured_checkpoints
from sedlib.grokking.schema import ParamsError
from sedlib.grokking.spectra import read_bases
from sedlib.grokking.streams import Stream, read_streams
from sedlib.progress import track
from sedlib.randomness import generator


def measure_coupling(
    checkpoints: RunCheckpoints,
    gradients: h5py.File,
    bases: h5py.File,
    probe_settings: ProbeParams,
    kind: CentroidKind,
    response_settings: ResponseParams,
    random_settings: RandomDirectionParams,
    count: int | Literal["all"],
) -> Iterator[dict[str, Any]]:
    """Rows of a tidy table: one per step, operation, stream, window and direction of the basis.

    A stream of one operation's gradients is measured on that operation's centroids, a shared stream on every
    operation's. A window that is not whole at a checkpoint has no basis there and no row.
    """
    ops, layout = checkpoints.experiment.run.ops, checkpoints.layout
    probes = Probes.of(checkpoints, probe_settings)
    device = checkpoints.model.token.device
    random = random_directions(
        random_settings.count, layout.size, generator(random_settings.seed, "random directions")
    ).to(device)
    streams = [(stream, read_bases(bases, stream)) for stream in read_streams(gradients)]
    measured = measured_checkpoints(len(checkpoints.steps), count)

    for index in track(measured, len(measured), "coupling", lambda index: f"step {checkpoints.steps[index]:,}"):
        model, step = checkpoints.load(index), checkpoints.steps[index]
        theta = layout.flatten(model.state_dict())
        along = {
            tasks: _response(centroid_function(model, layout, probes, kind, slice(*tasks)), theta, response_settings)
            for tasks in {_tasks(stream, ops) for stream, _ in streams} | {(0, len(ops))}
        }
        baseline = _baseline(torch.stack([along[0, len(ops)](direction) for direction in random]), step)
        for stream, windows in streams:
            tasks = _tasks(stream, ops)
            for basis, used_at in windows:
                if index not in used_at:
                    continue
                vectors = directions(stream.rows, basis, used_at.index(index)).to(device)
                found = torch.stack([along[tasks](vector) for vector in vectors])
                labels = {"step": step, "stream": stream.name, "window": basis.window}
                yield from _rows(labels, ops, range(*tasks), found, baseline)


def _tasks(stream: Stream, ops: list[str]) -> tuple[int, int]:
    """First and last + 1 of the operations on which a stream is measured."""
    if stream.op is None:
        return 0, len(ops)
    return ops.index(stream.op), ops.index(stream.op) + 1


def _response(centroids_at: CentroidsAt, theta: torch.Tensor, settings: ResponseParams) -> Response:
    if settings.kind == "jvp":
        return jvp(centroids_at, theta)
    return central_difference(centroids_at, theta, settings.epsilon)


def _baseline(responses: torch.Tensor, step: int) -> Baseline:
    try:
        return random_baseline(responses)
    except ValueError as error:
        raise ParamsError(f"step {step}: {error}; choose a larger response.epsilon, or response.kind: jvp") from error


def _rows(
    labels: dict[str, Any], ops: list[str], tasks: range, responses: torch.Tensor, baseline: Baseline
) -> Iterator[dict[str, Any]]:
    own = Baseline(baseline.median[tasks.start : tasks.stop], baseline.mean[tasks.start : tasks.stop], baseline.count)
    ratios, _ = coupling_ratios(responses, own)
    for column, task in enumerate(tasks):
        for direction in range(len(responses)):
            yield {
                **labels,
                "op": ops[task],
                "direction": direction + 1,
                "response": float(responses[direction, column]),
                "baseline_median": float(own.median[column]),
                "baseline_mean": float(own.mean[column]),
                "n_random": own.count,
                "ratio": float(ratios[direction, column]),
            }
