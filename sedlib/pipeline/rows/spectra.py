"""Rolling bases of every stream of a run, written as coefficients, and the readings of their spectra."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import h5py
import torch

from sedlib.base.errors import in_one_line, located
from sedlib.base.precision import determined, error_bound
from sedlib.base.progress import say
from sedlib.bases import RollingBases, UndeterminedBasisError, rolling_bases
from sedlib.pipeline.parameters.basis_params import BasisParams
from sedlib.pipeline.parameters.sections import ParamsError
from sedlib.pipeline.rows.bases_file import bases_schema, rounded_to, used_at
from sedlib.pipeline.rows.streams import Stream, read_streams
from sedlib.pipeline.study import Study
from sedlib.products import gram_band
from sedlib.readings import SpectralGaps, spectral_gaps, successive_overlaps


def write_bases(
    path: Path, gradients: h5py.File, study: Study, params: BasisParams, device: torch.device
) -> list[dict[str, Any]]:
    """Write the bases of every stream for W = ``params.window`` and, beside it, W = 1: the current row alone.

    Returns rows of a tidy table: the spectral gaps of every window, empty where it has fewer than three rows or
    its rows determine fewer than three directions, and its overlap with the next, empty beside a window that determines
    no basis. How many windows do not, where and why is printed.

    Raises
    ------
    ParamsError
        The run has too few checkpoints for the window, or a stream in every window too little variety for the rank.
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
                _say_masked(stream, bases, steps)
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
        The run has too few checkpoints for the window, or in every window too little variety for the rank; ``steps``
        are those of its checkpoints, by which the message names the first window.
    """
    try:
        return rolling_bases(band, window, min(rank, window), rounded_to(stream))
    except UndeterminedBasisError as error:
        raise ParamsError(f"{_named(stream, steps, error.first, error.last)}: {error}") from error
    except ValueError as error:
        raise ParamsError(f"stream {stream.name}: {error}") from error


def _named(stream: Stream, steps: Sequence[int], first: int, last: int) -> str:
    ends = (f"{steps[stream.first_checkpoint + row]:,}" for row in (first, last))
    return f"stream {stream.name}, window of {last - first + 1} at steps {' to '.join(ends)}"


def _say_masked(stream: Stream, bases: RollingBases, steps: Sequence[int]) -> None:
    """Name the windows without a basis: all of them by their number, the first with its steps and the reason."""
    if found := (~bases.determined).nonzero().flatten().tolist():
        end = int(bases.window_end[found[0]])
        first = f"{_named(stream, steps, end - bases.window + 1, end)}: {bases.reason(found[0])}"
        ends = ", ".join(f"{steps[stream.first_checkpoint + int(bases.window_end[number])]:,}" for number in found)
        say(
            f"stream {stream.name}: {len(found)} of {len(bases.window_end)} windows of {bases.window} determine no "
            f"basis and will have no coupling ratio; they end at steps {in_one_line(ends)}\n  {first}"
        )


def _readings(band: torch.Tensor, bases: RollingBases) -> list[dict[str, Any]]:
    """Gaps of each window, empty for one of fewer than three rows or directions, and its overlap with the next."""
    n_windows = len(bases.window_end)
    columns: dict[str, list[Any]] = {field.name: [None] * n_windows for field in fields(SpectralGaps)}
    if bases.window >= 3:
        third = determined(error_bound(bases.singular_values, bases.rows))[:, 2]
        gaps = spectral_gaps(bases.singular_values, third)
        columns = {name: _where(third.tolist(), getattr(gaps, name).tolist()) for name in columns}
    overlaps = successive_overlaps(band, bases)
    columns["overlap_with_next"] = [*_where(overlaps.isfinite().tolist(), overlaps.tolist()), None]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _where(read: Sequence[bool], values: Sequence[Any]) -> list[Any]:
    """Values that were read, None elsewhere."""
    return [value if kept else None for kept, value in zip(read, values, strict=True)]
