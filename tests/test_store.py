from pathlib import Path

import h5py
import numpy as np
import pytest

from sedlib.base.store import ArtifactError, Dataset, Schema, append, growing
from sedlib.pipeline.artifacts import ArtifactSchema, provenance, require_same_run
from sedlib.vectors import ParamLayout

SCHEMA = ArtifactSchema(
    "things",
    2,
    {
        "steps": Dataset(("steps",), "int64", "steps"),
        "rows/*": Dataset(("steps", "params"), "float32", "rows"),
        "parts/*/value": Dataset(("length", "..."), "float32", "any shape"),
    },
    stage="make",
)


def write(path: Path, rows: np.ndarray | None = None, run: str = "{}") -> Path:
    attributes = {"run": run, "layout": ParamLayout(("w",), ((3,),)).to_json(), "settings": "{}"}
    with SCHEMA.create(path, attributes) as file:
        file["steps"] = np.arange(4)
        file["rows/a"] = np.ones((4, 3), np.float32) if rows is None else rows
        file["parts/x/value"] = np.ones((2, 5), np.float32)
        file["parts/y/value"] = np.ones(7, np.float32)
    return path


def test_what_was_written_is_read(tmp_path: Path) -> None:
    with SCHEMA.open(write(tmp_path / "run-1.h5")) as file:
        assert file["rows/a"][:].tolist() == np.ones((4, 3)).tolist()
        assert file["rows/a"].attrs["axes"] == '["steps", "params"]'
        assert file.attrs["schema"] == "things/2"


def test_equal_inputs_give_equal_bytes(tmp_path: Path) -> None:
    assert write(tmp_path / "a.h5").read_bytes() == write(tmp_path / "b.h5").read_bytes()


def test_rows_can_be_appended(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "f.h5", "w") as file:
        rows, steps = growing(file, "rows", (2, 40_000)), growing(file, "steps", (), "int64")
        for value in range(3):
            append(rows, np.full((2, 40_000), value, np.float32))
            append(steps, value)
        assert rows[:, 1, -1].tolist() == steps[:].tolist() == [0, 1, 2]


def test_a_failed_write_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    path = write(tmp_path / "run-1.h5")
    before = path.read_bytes()

    def fail_half_way() -> None:
        with SCHEMA.create(path, {}) as file:
            file["steps"] = np.arange(4)
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        fail_half_way()
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def remedy() -> str:
    return r"`dvc checkout --force .*run-1.h5`.*`dvc repro --force --single-item make@run-1`"


def assert_refused(path: Path, *parts: str) -> None:
    with pytest.raises(ArtifactError) as caught, SCHEMA.open(path):
        pass
    message = str(caught.value)
    for part in (str(path), "expected a things/2 artifact", "make@run-1", *parts):
        assert part in message


def test_a_missing_file(tmp_path: Path) -> None:
    assert_refused(tmp_path / "run-1.h5", "no such file")


@pytest.mark.parametrize("keep", [0.3, 0.9, 0.999])
def test_a_truncated_file(tmp_path: Path, keep: float) -> None:
    path = write(tmp_path / "run-1.h5")
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    assert_refused(path, "not a readable HDF5 file")


def test_a_file_that_is_no_hdf5(tmp_path: Path) -> None:
    path = tmp_path / "run-1.h5"
    path.write_text("step,loss\n0,1\n")
    assert_refused(path, "not a readable HDF5 file")


@pytest.mark.parametrize("schema", [None, "things/1", "others/2"])
def test_a_foreign_file(tmp_path: Path, schema: str | None) -> None:
    path = tmp_path / "run-1.h5"
    with h5py.File(path, "w") as file:
        if schema:
            file.attrs["schema"] = schema
    assert_refused(path, f"schema {schema!r}")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_not_finite(tmp_path: Path, value: float) -> None:
    path = write(tmp_path / "run-1.h5")
    with h5py.File(path, "r+") as file:
        file["rows/a"][2, 1] = value
    assert_refused(path, f"{value} in dataset 'rows/a' at [2, 1]")


def test_missing_datasets_wrong_shapes_and_wrong_types(tmp_path: Path) -> None:
    def altered(name: str, value: np.ndarray | None) -> Path:
        path = write(tmp_path / "run-1.h5")
        with h5py.File(path, "r+") as file:
            del file[name]
            if value is not None:
                file[name] = value
        return path

    assert_refused(altered("steps", None), "no dataset 'steps' (there are: parts/x/value")
    assert_refused(
        altered("rows/a", np.ones((5, 3), np.float32)), "axis 'steps' of length 5 in 'rows/a' but 4 in 'steps'"
    )
    assert_refused(altered("rows/a", np.ones(4, np.float32)), "dataset 'rows/a' of shape (4,), not [steps, params]")
    assert_refused(altered("rows/a", np.ones((4, 3))), "dataset 'rows/a' of dtype float64, not float32")


@pytest.mark.parametrize("name", ["run", "layout", "settings"])
def test_a_missing_attribute(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "run-1.h5")
    with h5py.File(path, "r+") as file:
        del file.attrs[name]
    assert_refused(path, f"no attribute {name!r} (there are:")


def test_a_layout_of_another_size(tmp_path: Path) -> None:
    path = write(tmp_path / "run-1.h5")
    with h5py.File(path, "r+") as file:
        file.attrs["layout"] = ParamLayout(("w",), ((2, 2),)).to_json()
    assert_refused(path, "axis 'params' of length 3 in 'rows/a' but 4 in the attribute layout")


def test_damage_anywhere_is_refused_or_harmless(tmp_path: Path) -> None:
    path = write(tmp_path / "run-1.h5")
    content = path.read_bytes()
    generator = np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        damaged = bytearray(content)
        start = generator.integers(len(content))
        damaged[start : start + 8] = generator.bytes(8)[: len(content) - start]
        path.write_bytes(damaged)
        try:
            with SCHEMA.open(path):
                pass
        except ArtifactError:
            refused += 1
    assert refused > 20


def test_what_breaks_the_schema_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "run-1.h5"
    with pytest.raises(ArtifactError, match="nan in dataset 'rows/a'"):
        write(path, np.full((4, 3), np.nan, np.float32))
    assert not path.exists()


def test_a_schema_of_its_own_needs_no_run_and_no_stage(tmp_path: Path) -> None:
    schema = Schema("things", 1, {"values": Dataset(("n",), "float64", "values")}, attributes=("units",))
    path = tmp_path / "things.h5"
    with schema.create(path, {"units": "m"}) as file:
        file["values"] = np.ones(3)
    with schema.open(path) as file:
        assert file["values"].attrs["axes"] == '["n"]'
    with h5py.File(path, "r+") as file:
        del file.attrs["units"]
    with pytest.raises(ArtifactError, match=r"no attribute 'units' .*Write .*things.h5 anew\.$"), schema.open(path):
        pass


def test_provenance_carries_the_run_and_the_layout_on(tmp_path: Path) -> None:
    with SCHEMA.open(write(tmp_path / "run-1.h5", run='{"seed": 1}')) as file:
        expected = {"run": '{"seed": 1}', "layout": file.attrs["layout"], "settings": '{"rank": 3}'}
        assert provenance(file, '{"rank": 3}') == expected


def test_artifacts_of_different_runs_do_not_mix(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{run}.h5", run=run) for run in ("first", "second")]
    with SCHEMA.open(paths[0]) as one, SCHEMA.open(paths[1]) as other:
        require_same_run(one, one)
        with pytest.raises(ArtifactError, match=r"first.h5 and .*second.h5 come from different runs"):
            require_same_run(one, other)
