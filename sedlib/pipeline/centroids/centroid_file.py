"""Centroids of a run at the measured checkpoints, and the readouts of every definition of the centroid."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

from sedlib.base.errors import UserError, located
from sedlib.base.hdf5.dataset import Dataset
from sedlib.base.hdf5.growing import append, growing
from sedlib.base.progress import track
from sedlib.centroids import compare, read_out
from sedlib.models.checkpoint import Checkpoint
from sedlib.pipeline.artifacts import ArtifactSchema
from sedlib.pipeline.centroids.probing import centroid_function, probes_of, require_known
from sedlib.pipeline.parameters.centroid_params import CentroidParams, ProbeParams
from sedlib.pipeline.rows.networks import MeasuredNetworks
from sedlib.pipeline.study import Study


class CentroidSettings(ProbeParams):
    """What the file carries of the stage's parameters."""

    centroid: str


def centroids_schema(study: Study, size: int) -> ArtifactSchema:
    """The contract of a run's file, of embedded inputs of ``size``."""
    network, inputs = study.network(), study.inputs
    return ArtifactSchema(
        "centroids",
        2,
        {
            "steps": Dataset(("steps",), "int64", "step of each measured checkpoint", increasing=True, least=0),
            "probes": Dataset(("probes", *inputs.axes), inputs.dtype, f"the fixed {inputs.description}"),
            **{
                f"centroids/{task}": Dataset(
                    ("steps", "probes", "inputs"), "float32", "centroid of every probe for that task"
                )
                for task in study.tasks
            },
        },
        attributes={"run": study.to_json(), "layout": study.slots(network).to_json(), "settings": None},
        shared_axes=frozenset({"steps", "probes", "inputs"}),
        lengths={"inputs": size},
        stage="centroids",
    )


@contextmanager
def open_centroids(path: Path, networks: MeasuredNetworks) -> Iterator[h5py.File]:
    """The centroids file at ``path``, of the same run as ``networks``, at the same checkpoints, of the run's probes.

    Raises
    ------
    ArtifactError
        The file is broken, or is of another run, other checkpoints or other probes.
    """
    study = networks.study
    schema = centroids_schema(study, _size(networks))
    with schema.open(path) as file:
        settings = schema.settings(file, CentroidSettings)
        if settings.centroid not in study.centroids:
            raise schema.error(path, f"centroid {settings.centroid!r}, none of {', '.join(study.centroids)}")
        try:
            probes = probes_of(study, settings, networks.device).inputs.cpu().numpy()
        except UserError as error:
            raise schema.error(path, f"settings of which no probes can be drawn ({error})") from error
        if not np.array_equal(file["probes"][:], probes):
            raise schema.error(path, f"other probes than its settings, {file.attrs['settings']}, give")
        steps = [networks.steps[index] for index in networks.measured]
        if file["steps"][:].tolist() != steps:
            raise schema.error(path, f"centroids at steps other than the {len(steps)} of {networks.file.filename}")
        yield file


def write_centroids(path: Path, networks: MeasuredNetworks, params: CentroidParams) -> list[dict[str, Any]]:
    """Write the centroids of every probe at the measured checkpoints, by the definition that ``params`` choose.

    Returns rows of a tidy table: per step, task and definition rank-90, PC-1 share and alignment, and how far a
    definition and the next agree, where a study has several.

    Raises
    ------
    ParamsError
        The study has no such definition, or fewer examples than probes are asked for.
    UserError
        Centroids are not finite, or have no direction, or vary in too few of them; the message names step and task.
    """
    study, layout, measured = networks.study, networks.layout, networks.measured
    require_known(study, params)
    probes = probes_of(study, params.probes, networks.device)
    table = []
    settings = CentroidSettings(**params.probes.model_dump(), centroid=params.centroid)
    size = _size(networks)
    with centroids_schema(study, size).create(path, {"settings": settings.model_dump_json()}) as file:
        file["probes"] = probes.inputs.cpu().numpy()
        steps = growing(file, "steps", (), "int64")
        series = [growing(file, f"centroids/{task}", (len(probes), size)) for task in study.tasks]
        for index in track(measured, len(measured), "centroids", lambda index: f"step {networks.steps[index]:,}"):
            network, step = networks.load(index), networks.steps[index]
            checkpoint = Checkpoint(network, layout)
            inputs = study.embedded(network, probes.inputs).flatten(1)
            with located(f"step {step:,}"):
                found = {
                    kind: centroid_function(study, checkpoint, probes, kind, check=True)(checkpoint.theta)
                    for kind in study.centroids
                }
            append(steps, step)
            for number, task in enumerate(study.tasks):
                append(series[number], found[params.centroid][number].cpu().numpy())
                table += _rows(step, task, {kind: every[number] for kind, every in found.items()}, inputs)
    return table


def _size(networks: MeasuredNetworks) -> int:
    """Size of one embedded input."""
    one = networks.study.examples("all").inputs[:1].to(networks.device)
    return networks.study.embedded(networks.network, one)[0].numel()


def _rows(step: int, task: str, found: Mapping[str, torch.Tensor], inputs: torch.Tensor) -> list[dict[str, Any]]:
    rows = []
    for kind, centroids in found.items():
        with located(f"step {step:,}, {task}, centroid {kind}"):
            rows.append({"step": step, "op": task, "centroid": kind, **asdict(read_out(centroids, inputs))})
    comparison: dict[str, float] = {}
    for first, second in pairwise(found):
        with located(f"step {step:,}, {task}, centroids {first} and {second}"):
            comparison |= asdict(compare(found[first], found[second]))
    return [row | comparison for row in rows]
