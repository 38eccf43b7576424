"""Rows in narrower dtypes: how near they come back, what is refused, what the diagnostics make of them."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import cast, get_args

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sedlib.base.hdf5.store import ArtifactError
from sedlib.grokking.study import Grokking
from sedlib.pipeline.coupling.measurement import measure_coupling
from sedlib.pipeline.parameters.basis_params import BasisParams
from sedlib.pipeline.parameters.centroid_params import ProbeParams
from sedlib.pipeline.parameters.coupling_params import CouplingParams, RandomDirectionParams
from sedlib.pipeline.parameters.row_params import DumpParams, GradientBatchParams, RowParams
from sedlib.pipeline.rows.bases_file import open_bases, read_bases
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.pipeline.rows.dumping import write_streams
from sedlib.pipeline.rows.networks import MeasuredNetworks
from sedlib.pipeline.rows.row_dtypes import RowDtype, ScaledRows, append_row
from sedlib.pipeline.rows.spectra import write_bases
from sedlib.pipeline.rows.streams import RowSettings, gradients_schema, open_gradients, read_streams
from tests.altered import altered, put
from tests.grokking.test_training import CPU, experiment, write

pytestmark = pytest.mark.usefixtures("production")

STUDY = Grokking(experiment())


def in_memory() -> h5py.File:
    return h5py.File(io.BytesIO(), "w")


def stored(rows: np.ndarray, dtype: RowDtype) -> np.ndarray:
    """Rows as they come back."""
    with in_memory() as file:
        for row in rows:
            append_row(file, "update", row, dtype)
        assert file["update"].id.get_type().get_size() == (4 if dtype == "float32" else 2)
        assert file["update"].dtype == ("float16" if dtype == "float16" else "float32")
        if dtype == "float16":
            return ScaledRows(file["update"], file["scale/update"][:])[:, :]
        return file["update"][:, :]


@settings(deadline=None, max_examples=50)
@given(exponents=st.lists(st.integers(-105, 127), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_float16_keeps_eleven_bits_of_rows_of_any_size(exponents: list[int], seed: int) -> None:
    random = np.random.default_rng(seed)
    spread = np.ldexp(random.uniform(0.5, 1, (len(exponents), 50)), random.integers(-30, 1, (len(exponents), 50)))
    rows = np.ldexp(spread, np.array(exponents)[:, None]).astype(np.float32)
    found = stored(rows, "float16")
    assert found.dtype == np.float32
    largest = np.abs(rows).max(1, keepdims=True)
    error = np.abs(found.astype(np.float64) - rows)
    assert (error <= np.maximum(2.0**-11 * np.abs(rows), 2.0**-39 * largest)).all()


@settings(deadline=None, max_examples=50)
@given(exponent=st.integers(-100, 120), seed=st.integers(0, 99))
def test_bfloat16_keeps_eight_bits_and_hdf5_reads_it_as_float32(exponent: int, seed: int) -> None:
    row = np.ldexp(np.random.default_rng(seed).standard_normal((1, 50)), exponent).astype(np.float32)
    np.testing.assert_allclose(stored(row, "bfloat16"), row, rtol=2.0**-8, atol=0)
    exact = torch.from_numpy(row).bfloat16().float().numpy()
    np.testing.assert_array_equal(stored(exact, "bfloat16"), exact)


@pytest.mark.parametrize("dtype", get_args(RowDtype))
def test_zeros_and_the_smallest_normal_numbers_come_back(dtype: RowDtype) -> None:
    tiny = np.finfo(np.float32).tiny
    rows = np.array([[0, 0, 0], [tiny, -tiny, 0]], np.float32)
    np.testing.assert_array_equal(stored(rows, dtype), rows)


def test_float16_keeps_a_row_below_the_normal_numbers() -> None:
    row = np.array([[np.finfo(np.float32).smallest_subnormal, 0, 0]], np.float32)
    np.testing.assert_array_equal(stored(row, "float16"), row)


def test_a_block_of_scaled_rows_is_that_block_of_the_rows() -> None:
    rows = np.ldexp(np.arange(1, 25, dtype=np.float32).reshape(4, 6), np.array([[0], [-40], [20], [-9]]))
    with in_memory() as file:
        for row in rows:
            append_row(file, "update", row, "float16")
        scaled = ScaledRows(file["update"], file["scale/update"][:])
        assert scaled.shape == (4, 6)
        np.testing.assert_array_equal(scaled[1:3, 2:5], rows[1:3, 2:5])


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunCheckpoints]:
    path = tmp_path_factory.mktemp("run") / "checkpoints.h5"
    write(path, experiment())
    with RunCheckpoints.open(path, STUDY, CPU) as opened:
        yield opened


def settings_of(dtype: RowDtype) -> str:
    """What the file carries of the parameters."""
    return RowSettings(**dumped_as(dtype).gradient_batch.model_dump(), dtype=dtype).model_dump_json()


def dumped_as(dtype: RowDtype) -> RowParams:
    batch = GradientBatchParams(size=20)
    return RowParams(gradient_batch=batch, measured_checkpoints=4, dump=DumpParams(dtype=dtype))


def analysed(checkpoints: RunCheckpoints, folder: Path, dtype: RowDtype) -> tuple[dict[str, np.ndarray], pd.DataFrame]:
    """All rows, and all coupling ratios, of a dump in a dtype."""
    folder.mkdir()
    write_streams(folder / "g.h5", checkpoints, dumped_as(dtype))
    with MeasuredNetworks.open(folder / "g.h5", STUDY, CPU) as networks:
        write_bases(folder / "b.h5", networks.file, STUDY, BasisParams(window=3, rank=2), CPU)
        with open_bases(folder / "b.h5", STUDY) as bases:
            streams = list(read_streams(networks.file, networks.study))
            params = CouplingParams(probes=ProbeParams(count=16), random_directions=RandomDirectionParams(count=3))
            ratios = measure_coupling(networks, [(stream, read_bases(bases, stream)) for stream in streams], params)
            return {stream.name: stream.rows[:, :] for stream in streams}, pd.DataFrame(ratios)


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "precision"), [("float16", 2**-11), ("bfloat16", 2**-8)])
def test_a_narrow_dump_takes_less_and_couples_alike(
    checkpoints: RunCheckpoints, tmp_path: Path, dtype: RowDtype, precision: float
) -> None:
    wide_rows, wide = analysed(checkpoints, tmp_path / "wide", "float32")
    rows, ratios = analysed(checkpoints, tmp_path / "narrow", dtype)
    for name, expected in wide_rows.items():
        assert rows[name].dtype == np.float32
        assert 0 < np.abs(rows[name] - expected).max() <= precision * np.abs(expected).max()
    labels = ["step", "stream", "window", "op", "direction"]
    pd.testing.assert_frame_equal(ratios[labels], wide[labels])
    means = [table.groupby(labels[:-1])["ratio"].mean() for table in (ratios, wide)]
    np.testing.assert_allclose(means[0], means[1], rtol=20 * precision)
    size = {name: (tmp_path / name / "g.h5").stat().st_size for name in ("wide", "narrow")}
    assert size["narrow"] < size["wide"]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_nothing_overflows_and_what_is_not_finite_stays_so(dtype: RowDtype) -> None:
    largest = np.finfo(np.float32).max / 2
    np.testing.assert_allclose(stored(np.array([[largest, -largest]]), dtype), [[largest, -largest]], rtol=2.0**-8)
    for wrong in (np.inf, np.nan):  # so that the schema refuses the file
        assert not np.isfinite(stored(np.array([[1, wrong, 0]], np.float32), dtype)).all()


def test_rows_of_another_dtype_than_declared_are_refused(tmp_path: Path, checkpoints: RunCheckpoints) -> None:
    path = tmp_path / "g.h5"
    for written, declared, problem in (
        ("float16", "float32", "an unknown dataset 'scale/gradient/add'"),
        ("float32", "float16", "no dataset 'scale/update'"),
        ("bfloat16", "float32", "dataset 'update' of dtype .*, not float32"),
    ):
        write_streams(path, checkpoints, dumped_as(cast("RowDtype", written)))
        with altered(path) as file:
            file.attrs["settings"] = settings_of(cast("RowDtype", declared))
        with pytest.raises(ArtifactError, match=problem), open_gradients(path, STUDY):
            pass


def test_a_scale_is_needed_for_every_row(tmp_path: Path, checkpoints: RunCheckpoints) -> None:
    path = tmp_path / "g.h5"
    write_streams(path, checkpoints, dumped_as("float16"))
    with altered(path) as file:
        put(file, "scale/gradient/add", file["scale/gradient/add"][:4])
    with pytest.raises(ArtifactError, match="axis 'steps' of length"), open_gradients(path, STUDY):
        pass


def test_a_missing_gradients_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no such file"), open_gradients(tmp_path / "g.h5", STUDY):
        pass


def test_the_schema_of_scaled_rows_differs_in_rows_alone() -> None:
    plain, scaled = (gradients_schema(STUDY, dtype).datasets for dtype in ("float32", "float16"))
    rows = {name for name, dataset in scaled.items() if dataset.dtype == "float16"}
    assert {name.removeprefix("scale/") for name in set(scaled) - set(plain)} == rows
    assert all(scaled[name] == dataset for name, dataset in plain.items() if name not in rows)
