"""Centroids of a run at the measured checkpoints, and the readouts of both definitions of the centroid."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from sedlib.base.progress import track
from sedlib.base.store import Dataset, Schema, append, growing, provenance
from sedlib.centroids import CentroidComparison, CentroidReadouts, compare, read_out
from sedlib.grokking.setup.params import ProbeParams
from sedlib.pipeline.centroids.probing import CentroidKind, Probes, centroid_function
from sedlib.pipeline.rows.networks import MeasuredNetworks

CENTROIDS = Schema(
    "centroids",
    1,
    "centroids",
    {
        "steps": Dataset(("steps",), "int64", "step of each measured checkpoint"),
        "probes": Dataset(("probes", "operands"), "int64", "the fixed pairs (a, b)"),
        "centroids/*": Dataset(("steps", "probes", "inputs"), "float32", "centroid of every probe, by operation"),
    },
    shared_axes=frozenset({"steps", "probes", "inputs"}),
)


def write_centroids(
    path: Path,
    networks: MeasuredNetworks,
    settings: ProbeParams,
    kind: CentroidKind,
) -> list[dict[str, Any]]:
    """Write the ``kind`` centroids of every probe at the measured checkpoints.

    Returns rows of a tidy table: per step, operation and definition rank-90, PC-1 share and alignment, and how
    far the two definitions agree.
    """
    ops, layout = networks.experiment.run.ops, networks.layout
    probes = Probes.of(networks, settings)
    measured = networks.measured
    table = []
    attributes = provenance(networks.file, json.dumps({**settings.model_dump(), "centroid": kind}))
    with CENTROIDS.create(path, attributes) as file:
        file["probes"] = probes.pairs.cpu().numpy()
        steps = growing(file, "steps", (), "int64")
        inputs_size = networks.model.position.numel()
        series = {op: growing(file, f"centroids/{op}", (len(probes.pairs), inputs_size)) for op in ops}
        for index in track(measured, len(measured), "centroids", lambda index: f"step {networks.steps[index]:,}"):
            model, step = networks.load(index), networks.steps[index]
            theta = layout.flatten(model.state_dict())
            inputs = model.embed(probes.pairs).flatten(1)
            logit = centroid_function(model, layout, probes, "logit")(theta)
            full = centroid_function(model, layout, probes, "full")(theta)
            append(steps, step)
            for task, op in enumerate(ops):
                append(series[op], (full if kind == "full" else logit)[task].cpu().numpy())
                table += _rows(step, op, logit[task], full[task], inputs)
    return table


def _rows(step: int, op: str, logit: torch.Tensor, full: torch.Tensor, inputs: torch.Tensor) -> list[dict[str, Any]]:
    comparison: CentroidComparison = compare(logit, full)
    readouts: dict[str, CentroidReadouts] = {
        "logit": read_out(logit, inputs),
        "full": read_out(full, inputs),
    }
    return [
        {"step": step, "op": op, "centroid": kind, **asdict(readout), **asdict(comparison)}
        for kind, readout in readouts.items()
    ]
