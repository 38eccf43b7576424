"""Files that follow their schema and contradict themselves, or a file beside them: each is refused by name."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from sedlib.base.errors import UserError
from sedlib.base.hdf5.store import ArtifactError
from sedlib.grokking.study import Grokking
from sedlib.pipeline.centroids.centroid_file import open_centroids, write_centroids
from sedlib.pipeline.coupling.ablated_inputs import require_of_one_another
from sedlib.pipeline.parameters.ablation_params import AnalysisParams
from sedlib.pipeline.parameters.basis_params import BasisParams
from sedlib.pipeline.parameters.centroid_params import CentroidParams, ProbeParams
from sedlib.pipeline.parameters.row_params import DumpParams, GradientBatchParams, RowParams
from sedlib.pipeline.rows.bases_file import open_bases, read_band
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.pipeline.rows.dumping import write_streams
from sedlib.pipeline.rows.networks import MeasuredNetworks
from sedlib.pipeline.rows.row_dtypes import RowDtype
from sedlib.pipeline.rows.spectra import write_bases
from sedlib.pipeline.rows.streams import Stream
from tests.altered import altered, put
from tests.grokking.test_training import CPU, experiment, write

pytestmark = pytest.mark.usefixtures("production")

STUDY = Grokking(experiment())
WINDOWS = BasisParams(window=3, rank=2)
BATCH = GradientBatchParams(size=20)
Change = Callable[[h5py.File], None]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All files of a run of two operations, the gradients in every dtype."""
    folder = tmp_path_factory.mktemp("run")
    write(folder / "checkpoints.h5", experiment())
    with RunCheckpoints.open(folder / "checkpoints.h5", STUDY, CPU) as checkpoints:
        for dtype in ("float32", "float16", "bfloat16"):
            params = RowParams(gradient_batch=BATCH, measured_checkpoints=4, dump=DumpParams(dtype=dtype))
            write_streams(folder / f"{dtype}.h5", checkpoints, params)
    with MeasuredNetworks.open(folder / "float32.h5", STUDY, CPU) as networks:
        write_bases(folder / "bases.h5", networks.file, STUDY, WINDOWS, CPU)
        write_centroids(folder / "centroids.h5", networks, CentroidParams(probes=ProbeParams(count=16)))
    return folder


def changed(folder: Path, to: Path, name: str, change: Change) -> Path:
    path = to / "both-1.h5"
    path.write_bytes((folder / name).read_bytes())
    with altered(path) as file:
        change(file)
    return path


def setting(old: str, new: str) -> Change:
    def change(file: h5py.File) -> None:
        assert old in file.attrs["settings"]
        file.attrs["settings"] = file.attrs["settings"].replace(old, new)

    return change


def values(name: str, new: Callable[[np.ndarray], np.ndarray]) -> Change:
    def change(file: h5py.File) -> None:
        file[name][...] = new(file[name][:])

    return change


def states(new: Callable[[np.ndarray], np.ndarray]) -> Change:
    def change(file: h5py.File) -> None:
        for name in file["state"]:
            file[f"state/{name}"][...] = new(file[f"state/{name}"][:])

    return change


GRADIENTS: dict[str, tuple[Change, str]] = {
    "other checkpoints measured": (values("measured", lambda _: np.array([1, 3, 5, 7])), "not evenly spaced"),
    "another batch": (values("batch", lambda batch: batch[::-1]), "another batch than its settings"),
    "a batch outside": (values("batch", lambda batch: batch + 1000), "another batch than its settings"),
    "another seed": (setting('"seed":0', '"seed":1'), "another batch than its settings"),
    "a batch too large": (setting('"size":20', '"size":60'), "settings of which no batch can be drawn"),
    "updates reversed": (values("update", lambda rows: rows[::-1]), "updates that do not lead from the network at"),
    "updates of another sign": (values("update", np.negative), "updates that do not lead from the network at"),
    "networks reversed": (states(lambda found: found[::-1]), "updates that do not lead from the network at"),
    "networks equal": (states(lambda found: found[:1]), "updates that do not lead from the network at"),
    "settings written otherwise": (setting(":20", ": 20"), "which its stage writes as"),
    "a setting twice": (setting("{", '{"size":7,'), "which its stage writes as"),
    "a setting of another type": (setting(":20", ":20.0"), "its stage cannot have (size: Input should be a valid"),
    "a setting that is no number": (setting(":20", ":NaN"), "its stage cannot have (size: Input should be a valid"),
    "no JSON": (setting("{", "["), "its stage cannot have (the whole: Invalid JSON"),
    "one more setting": (setting("{", '{"\\u001b[2J":1,'), "its stage cannot have (\\x1b[2J: Extra inputs"),
}


@pytest.mark.parametrize(("change", "problem"), GRADIENTS.values(), ids=list(GRADIENTS))
def test_gradients_that_contradict_themselves(folder: Path, tmp_path: Path, change: Change, problem: str) -> None:
    path = changed(folder, tmp_path, "float32.h5", change)
    with pytest.raises(ArtifactError) as caught, MeasuredNetworks.open(path, STUDY, CPU):
        pass
    assert problem in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_updates_in_sixteen_bits_lead_from_network_to_network(folder: Path, tmp_path: Path, dtype: RowDtype) -> None:
    with MeasuredNetworks.open(folder / f"{dtype}.h5", STUDY, CPU):
        pass
    path = changed(folder, tmp_path, f"{dtype}.h5", values("update", lambda rows: rows * np.float32(1.25)))
    with pytest.raises(ArtifactError, match="updates that do not lead"), MeasuredNetworks.open(path, STUDY, CPU):
        pass


@pytest.mark.parametrize("scale", [0, -1, 3, np.finfo(np.float32).smallest_subnormal])
def test_a_scale_is_a_power_of_two(folder: Path, tmp_path: Path, scale: float) -> None:
    path = changed(folder, tmp_path, "float16.h5", values("scale/gradient/add", lambda found: found * 0 + scale))
    with (
        pytest.raises(ArtifactError, match=r"in dataset 'scale/gradient/add' at \[0\]"),
        MeasuredNetworks.open(path, STUDY, CPU),
    ):
        pass


ADD = "streams/gradient/add/"


def last_in_place_of_first(file: h5py.File) -> None:
    """Directions of the least singular values, which are as orthonormal as the right ones."""
    band = file[f"{ADD}band"][:]
    for number, _ in enumerate(file[f"{ADD}window-3/coefficients"]):
        products = np.array([[band[number + min(i, j), abs(i - j)] for j in range(3)] for i in range(3)])
        squares, vectors = np.linalg.eigh(products)
        file[f"{ADD}window-3/coefficients"][number] = (vectors[:, :2] / np.sqrt(squares[:2])).T


def rotated(coefficients: np.ndarray) -> np.ndarray:
    first, second = coefficients[:, 0], coefficients[:, 1]
    return np.stack([first + second, first - second], axis=1) * np.sqrt(0.5)


BASES: dict[str, tuple[Change, str]] = {
    "singular values doubled": (values(f"{ADD}window-3/singular_values", lambda found: 2 * found), "off those of"),
    "singular values zero": (
        values(f"{ADD}window-3/singular_values", lambda found: 0 * found),
        "nan off orthonormal ones",
    ),
    "directions in another order": (
        values(f"{ADD}window-3/coefficients", lambda found: found[:, ::-1]),
        "off those of",
    ),
    "directions rotated": (values(f"{ADD}window-3/coefficients", rotated), "off those of"),
    "the last directions": (last_in_place_of_first, "off those of"),
    "another sign": (values(f"{ADD}window-3/coefficients", np.negative), "largest coefficient is negative"),
    "no rows": (values(f"{ADD}band", np.zeros_like), "off orthonormal ones"),
    "another window": (setting('"window":3', '"window":2'), "no dataset 'streams/update/window-2/checkpoint'"),
    "a window without end": (setting('"window":3', '"window":1000000000'), "its stage cannot have (window: Input"),
}


@pytest.mark.parametrize(("change", "problem"), BASES.values(), ids=list(BASES))
def test_bases_that_are_not_those_of_their_band(folder: Path, tmp_path: Path, change: Change, problem: str) -> None:
    path = changed(folder, tmp_path, "bases.h5", change)
    with pytest.raises(ArtifactError) as caught, open_bases(path, STUDY):
        pass
    assert problem in str(caught.value)


def test_a_band_is_of_as_many_rows_as_the_stream(folder: Path) -> None:
    stream = Stream("gradient/add", np.zeros((5, 4), np.float32), first_checkpoint=0)
    with (
        open_bases(folder / "bases.h5", STUDY) as bases,
        pytest.raises(ArtifactError, match="bases of 9 rows of gradient/add, of which there are 5"),
    ):
        read_band(bases, stream)


def narrower(file: h5py.File) -> None:
    for op in ("add", "mul"):
        put(file, f"centroids/{op}", file[f"centroids/{op}"][:, :, :5])


CENTROIDS: dict[str, tuple[Change, str]] = {
    "other probes": (values("probes", lambda found: found[::-1]), "other probes than its settings"),
    "too many probes": (setting('"count":16', '"count":60'), "settings of which no probes can be drawn"),
    "a definition that the study lacks": (setting("logit", "mean"), "centroid 'mean', none of logit, full"),
    "vectors that are no embedded inputs": (narrower, "axis 'inputs' of length 5"),
}


@pytest.mark.parametrize(("change", "problem"), CENTROIDS.values(), ids=list(CENTROIDS))
def test_centroids_that_are_not_the_network_s(folder: Path, tmp_path: Path, change: Change, problem: str) -> None:
    path = changed(folder, tmp_path, "centroids.h5", change)
    with MeasuredNetworks.open(folder / "float32.h5", STUDY, CPU) as networks:
        with pytest.raises(ArtifactError) as caught, open_centroids(path, networks):
            pass
        assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("params", "steps", "problem"),
    [
        ({"gradient_batch": GradientBatchParams(size=10)}, [0, 15, 25, 40], "rows on the batch {'size': 20"),
        ({"rank": 1}, [0, 15, 25, 40], "bases of {'window': 3, 'rank': 2"),
        ({}, [0, 15, 40], "coupling table: expected rows of step"),
    ],
)
def test_an_ablation_starts_from_files_of_one_another(
    folder: Path, params: dict[str, object], steps: list[int], problem: str
) -> None:
    asked = AnalysisParams.model_validate({"window": 3, "rank": 2, "gradient_batch": BATCH, **params})
    coupling = pd.DataFrame([(step, op, size) for step in steps for op in STUDY.tasks for size in (1, 3)])
    coupling.columns = pd.Index(["step", "op", "window"])
    with (
        MeasuredNetworks.open(folder / "float32.h5", STUDY, CPU) as networks,
        open_bases(folder / "bases.h5", STUDY) as bases,
        pytest.raises(UserError) as caught,
    ):
        require_of_one_another(asked, networks, bases, coupling)
    assert problem in str(caught.value)
