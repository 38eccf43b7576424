"""Rolling bases of every stream of a run, written as coefficients, and the readings of their spectra."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import h5py
import torch

from sedlib.base.errors import located
from sedlib.bases import (
    RollingBases,
    SpectralGaps,
    UndeterminedBasisError,
    gram_band,
    rolling_bases,
    spectral_gaps,
    successive_overlaps,
)
from sedlib.pipeline.parameters.basis_params import BasisParams
from sedlib.pipeline.parameters.sections import ParamsError
from sedlib.pipeline.rows.bases_file import bases_schema, used_at
from sedlib.pipeline.rows.streams import Stream, read_streams
from sedlib.pipeline.study import Study


def write_bases(
    path: Path, gradients: h5py.File, study: Study, params: BasisParams, device: torch.device
) -> list[dict[str, Any]]:
    """Write the bases of every stream for W = ``params.window`` and, beside it, W = 1: the current row alone.

    Returns rows of a tidy table: the spectral gaps of every window, empty for one of fewer than three rows, and
    its overlap with the next.

    Raises
    ------
    ParamsError
        The run has too few checkpoints for the window, or too little variety for the rank.
    """
    steps, window, alignment = gradients["steps"][:].tolist(), params.window, params.alignment
    spectra = []
    with bases_schema(study, params).create(path) as file:
        for stream in read_streams(gradients, study):
            with located(f"stream {stream.name}"):
                band = gram_band(stream.rows, window, device).cpu()
            file[f"streams/{stream.name}/band"] = band.numpy()
            by_window = {size: stream_bases(stream, band, steps, size, params.rank) for size in {1, window}}
            for size, bases in sorted(by_window.items()):
                group = file.create_group(f"streams/{stream.name}/window-{size}")
                group["checkpoint"] = used_at(stream, bases, alignment)
                group["window_end"] = bases.window_end.numpy()
                group["coefficients"] = bases.coefficients.numpy()
                group["singular_values"] = bases.singular_values.numpy()
            with located(f"stream {stream.name}"):
                readings = _readings(band, by_window[window])
            spectra += [
                {"step": steps[checkpoint], "stream": stream.name, "window": window, **reading}
                for checkpoint, reading in zip(
                    used_at(stream, by_window[window], alignment),
                    readings,
                    strict=True,
                )
            ]
    return spectra


def stream_bases(stream: Stream, band: torch.Tensor, steps: Sequence[int], window: int, rank: int) -> RollingBases:
    """Bases of a stream from its band, with a direction for each row where the window has fewer than the rank.

    Raises
    ------
    ParamsError
        The run has too few checkpoints for the window, or too little variety for the rank; ``steps`` are those of its
        checkpoints, by which the message names the window.
    """
    try:
        return rolling_bases(band, window, min(rank, window))
    except UndeterminedBasisError as error:
        first, last = (steps[stream.first_checkpoint + row] for row in (error.first, error.last))
        raise ParamsError(
            f"stream {stream.name}, window of {window} at steps {first:,} to {last:,}: {error}"
        ) from error
    except ValueError as error:
        raise ParamsError(f"stream {stream.name}: {error}") from error


def _readings(band: torch.Tensor, bases: RollingBases) -> list[dict[str, Any]]:
    """Gaps of each window, empty for one of fewer than three rows, and its overlap with the next."""
    n_windows = len(bases.window_end)
    columns: dict[str, list[Any]] = {field.name: [None] * n_windows for field in fields(SpectralGaps)}
    if bases.window >= 3:
        gaps = spectral_gaps(bases.singular_values)
        columns = {name: getattr(gaps, name).tolist() for name in columns}
    columns["overlap_with_next"] = [*successive_overlaps(band, bases).tolist(), None]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
