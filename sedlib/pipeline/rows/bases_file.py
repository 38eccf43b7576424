"""The bases file: rolling bases of every stream of a run, as coefficients over its rows.

Shapes: of a stream's rows only the band of their Gram matrix is there, ``[rows, offsets]``. A window that determines no
basis has zero coefficients.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import h5py
import torch
from torch import Tensor

from sedlib.base.hdf5.dataset import Dataset
from sedlib.base.precision import determined
from sedlib.bases import RollingBases
from sedlib.pipeline.artifacts import ArtifactSchema
from sedlib.pipeline.parameters.basis_params import BasisParams
from sedlib.pipeline.rows.streams import Stream, rows_of
from sedlib.pipeline.study import Study
from sedlib.readings import orthonormality, spectral_residual

BASES = ArtifactSchema("bases", 3, {}, stage="bases")
"""The kind of file, without what is in a certain run's."""
ORTHONORMAL = 1e-12
"""How far bases may be from orthonormal ones, as ``orthonormality`` tells it: some thousand roundings of float64."""
SPECTRAL = 1e-9
"""How far bases and singular values may be from those of the band, as a share of the largest; all is in float64."""


def bases_schema(study: Study, settings: BasisParams) -> ArtifactSchema:
    """The contract of a run's file, with bases of W = ``settings.window`` and W = 1."""
    layout = study.slots(study.network())
    carried = settings.model_dump_json(include=set(BasisParams.model_fields))
    return replace(
        BASES,
        datasets={
            f"streams/{stream}/{name}": dataset
            for stream in rows_of(study)
            for name, dataset in {
                "band": Dataset(
                    ("rows", settings.window + 1),
                    "float64",
                    "Gram matrix of the stream's rows from the diagonal to W places beside it",
                ),
                **{
                    f"window-{size}/{name}": dataset
                    for size in sorted({1, settings.window})
                    for name, dataset in _of_windows(size, min(settings.rank, size)).items()
                },
            }.items()
        },
        attributes={"run": study.to_json(), "layout": layout.to_json(), "settings": carried},
    )


def _of_windows(size: int, rank: int) -> dict[str, Dataset]:
    windows = ("windows",)
    return {
        "checkpoint": Dataset(
            windows, "int64", "index of the checkpoint at which the window's basis is used", increasing=True, least=0
        ),
        "window_end": Dataset(windows, "int64", "last row of the window", start_of=range(size - 1, sys.maxsize)),
        "coefficients": Dataset((*windows, rank, size), "float64", "the basis, as coefficients over the window's rows"),
        "singular_values": Dataset(
            (*windows, size), "float64", "all singular values of the window, descending", least=0
        ),
    }


@contextmanager
def open_bases(path: Path, study: Study) -> Iterator[h5py.File]:
    """The bases file at ``path``, checked against the run, and for bases that are orthonormal.

    Raises
    ------
    ArtifactError
        The file is broken, or is not of this run.
    """
    with BASES.opened(path) as file:
        bases_schema(study, BASES.settings(file, BasisParams)).check(file, path)
        for stream in rows_of(study):
            for group in _windows(file, stream):
                if problem := _problem(torch.from_numpy(file[f"streams/{stream}/band"][:]), _bases(group)):
                    raise BASES.error(path, f"{problem} in {group.name.removeprefix('/')!r}")
        yield file


def read_bases(file: h5py.File, stream: Stream) -> list[tuple[RollingBases, list[int]]]:
    """A stream's bases for every window size, with the checkpoint at which each basis is used.

    Raises
    ------
    ArtifactError
        They are of more or fewer rows, masked where the rows' dtype says otherwise, or used at other checkpoints than
        their alignment says.
    """
    read_band(file, stream)
    alignment = BASES.settings(file, BasisParams).alignment
    dtype = rounded_to(stream)
    every = [(_bases(group, dtype), group["checkpoint"][:].tolist()) for group in _windows(file, stream.name)]
    for bases, checkpoints in every:
        if problem := _mask_problem(bases, bases):
            raise BASES.error(file.filename, f"{problem} in the bases of {stream.name}")
        if checkpoints != used_at(stream, bases, alignment):
            raise BASES.error(
                file.filename, f"bases of {stream.name} used elsewhere than where a window {alignment} is"
            )
    return every


def read_band(file: h5py.File, stream: Stream) -> Tensor:
    """The band of a stream's Gram matrix.

    Raises
    ------
    ArtifactError
        It is of more or fewer rows.
    """
    band = torch.from_numpy(file[f"streams/{stream.name}/band"][:])
    if len(band) != (n_rows := stream.rows.shape[0]):
        raise BASES.error(file.filename, f"bases of {len(band)} rows of {stream.name}, of which there are {n_rows}")
    return band


def used_at(stream: Stream, bases: RollingBases, alignment: str) -> list[int]:
    """The checkpoint at which each basis is used."""
    rows = bases.window_end if alignment == "trailing" else bases.window_end - bases.window + 1
    return (rows + stream.first_checkpoint).tolist()


def used_windows(bases: RollingBases, checkpoints: Sequence[int]) -> dict[int, int]:
    """Number of the window whose basis is used at each checkpoint; none where that window determines no basis."""
    pairs = zip(checkpoints, bases.determined.tolist(), strict=True)
    return {checkpoint: number for number, (checkpoint, has_basis) in enumerate(pairs) if has_basis}


def rounded_to(stream: Stream) -> torch.dtype:
    """The dtype that a stream's rows were rounded to."""
    return {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}[stream.dtype]


def _windows(file: h5py.File, stream: str) -> list[h5py.Group]:
    """The groups of a stream's window sizes, the smallest first."""
    found = [group for name, group in file[f"streams/{stream}"].items() if name.startswith("window-")]
    return sorted(found, key=lambda group: group["coefficients"].shape[-1])


def _bases(group: h5py.Group, rows: torch.dtype = torch.float32) -> RollingBases:
    end, coefficients, values = (
        torch.from_numpy(group[name][:]) for name in ("window_end", "coefficients", "singular_values")
    )
    return RollingBases(end, coefficients, values, rows)


def _problem(band: Tensor, bases: RollingBases) -> str | None:
    n_rows, n_windows = len(band), len(bases.window_end)
    if n_windows != n_rows - bases.window + 1:
        return f"{n_windows} windows of {bases.window} of {n_rows} rows"
    if (bases.singular_values.diff(dim=1) > 0).any():
        return "singular values that do not descend"
    if not bases.determined.any():
        return "no basis"
    if not (worst := float(orthonormality(band, bases))) <= ORTHONORMAL:
        return f"bases that are {worst:.1e} off orthonormal ones"
    if not (worst := float(spectral_residual(band, bases))) <= SPECTRAL:
        return f"bases and singular values that are {worst:.1e} off those of the band"
    largest = bases.coefficients.amax(-1)
    if (largest < (1 - SPECTRAL) * bases.coefficients.abs().amax(-1)).any():
        return "a direction whose largest coefficient is negative"
    return _mask_problem(bases, replace(bases, rows=torch.bfloat16))


def _mask_problem(finer: RollingBases, coarser: RollingBases) -> str | None:
    """Where a window has a basis that not even the finer rows determine, or none that even the coarser do."""
    if (finer.determined & ~determined(finer.error_bound).all(1)).any():
        return "a basis of a window that determines none"
    if (~finer.determined & determined(coarser.error_bound).all(1)).any():
        return "zero coefficients of a window that determines a basis"
    return None
