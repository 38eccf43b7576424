"""Windows that begin at their checkpoint, the last whole one held to the end, so that every checkpoint has a basis."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import h5py
import pandas as pd
import torch

from sedlib.bases import RollingBases
from sedlib.pipeline.coupling.measurement import StreamBases, measure_coupling, measured_baselines
from sedlib.pipeline.parameters.ablation_params import AnalysisParams
from sedlib.pipeline.rows.bases_file import read_band, used_at
from sedlib.pipeline.rows.networks import MeasuredNetworks
from sedlib.pipeline.rows.spectra import stream_bases
from sedlib.pipeline.rows.streams import Stream, read_streams
from sedlib.terms.stream_names import UPDATE


def measure_held(
    networks: MeasuredNetworks, bases: h5py.File, coupling: pd.DataFrame, params: AnalysisParams
) -> Iterator[dict[str, Any]]:
    """Rows of the coupling stage's table for each task's gradient and the update, from the band of their rows."""
    streams = [
        held(stream, read_band(bases, stream), networks.steps, params)
        for stream in read_streams(networks.file, networks.study)
        if stream.task is not None or stream.name == UPDATE
    ]
    baselines = measured_baselines(coupling, networks.study.tasks)
    yield from measure_coupling(networks, streams, params, baselines, label="held windows")


def held(stream: Stream, band: torch.Tensor, steps: list[int], params: AnalysisParams) -> StreamBases:
    """A stream's bases used at the first row of their window, the last of them also at each checkpoint after it.

    The first row of an update's window is the step that leaves its checkpoint.
    """
    found = stream_bases(stream, band, steps, params.window, params.rank)
    at = [checkpoint - stream.first_checkpoint for checkpoint in used_at(stream, found, "forward")]
    later = list(range(at[-1] + 1, len(steps)))
    numbers = torch.tensor([*range(len(at)), *[len(at) - 1] * len(later)])
    repeated = RollingBases(
        found.window_end[numbers], found.coefficients[numbers], found.singular_values[numbers], found.rows
    )
    norms = None if found.norms is None else found.norms[numbers]
    return stream, [(replace(repeated, norms=norms, size=found.size), [*at, *later])]
