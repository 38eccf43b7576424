import os
import resource
import stat
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sedlib.base.atomic import WriteError, replacing
from sedlib.base.hdf5.dataset import Dataset
from sedlib.base.hdf5.growing import append, growing
from sedlib.base.hdf5.seal import USER_BLOCK, seal
from sedlib.base.hdf5.store import ArtifactError, Schema
from sedlib.pipeline.artifacts import ArtifactSchema
from tests.altered import altered, put

LAYOUT = '{"w": [3]}'
SCHEMA = ArtifactSchema(
    "things",
    2,
    {
        "steps": Dataset(("steps",), "int64", "steps", increasing=True, least=0),
        "chosen": Dataset(("chosen",), "int64", "some of them", below="steps", least=0),
        "rows/a": Dataset(("steps", "params"), "float32", "rows"),
        "parts/x": Dataset((2, "length"), "float32", "two of any length"),
        "parts/note": Dataset(("length",), "float32", "may be there", optional=True),
    },
    attributes={"run": None, "layout": LAYOUT, "settings": None},
    shared_axes=frozenset({"steps"}),
    lengths={"params": 3},
    stage="make",
)


def write(path: Path, rows: np.ndarray | None = None, run: str = "{}") -> Path:
    with SCHEMA.create(path, {"run": run, "settings": "{}"}) as file:
        file["steps"] = np.arange(4)
        file["chosen"] = np.array([0, 3])
        file["rows/a"] = np.ones((4, 3), np.float32) if rows is None else rows
        file["parts/x"] = np.ones((2, 5), np.float32)
    return path


def test_what_was_written_is_read(tmp_path: Path) -> None:
    with SCHEMA.open(write(tmp_path / "run-1.h5")) as file:
        assert file["rows/a"][:].tolist() == np.ones((4, 3)).tolist()
        assert file["rows/a"].attrs["axes"] == '["steps", "params"]'
        assert file["parts/x"].attrs["axes"] == '[2, "length"]'
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
        assert growing(file, "large", (512, 300, 50)).chunks == (1, 1, 300, 50)
        assert growing(file, "small", (4, 5)).chunks == (1, 4, 5)


def test_a_failed_write_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    path = write(tmp_path / "run-1.h5")
    before = path.read_bytes()

    def fail_half_way() -> None:
        with SCHEMA.create(path, {"run": "{}", "settings": "{}"}) as file:
            file["steps"] = np.arange(4)
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        fail_half_way()
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def assert_refused(path: Path, *parts: str) -> None:
    with pytest.raises(ArtifactError) as caught, SCHEMA.open(path):
        pass
    message = str(caught.value)
    for part in (str(path), "expected a things/2 artifact", "make@run-1", *parts):
        assert part in message


def test_a_missing_file_and_what_is_no_file(tmp_path: Path) -> None:
    assert_refused(tmp_path / "run-1.h5", "no such file")
    os.mkfifo(tmp_path / "run-1.h5")
    assert_refused(tmp_path / "run-1.h5", "no regular file")


def test_a_file_that_is_no_hdf5(tmp_path: Path) -> None:
    path = tmp_path / "run-1.h5"
    path.write_text("step,loss\n0,1\n")
    assert_refused(path, "no seal")
    path.write_bytes(bytes(USER_BLOCK) + b"step,loss")
    seal(path)
    assert_refused(path, "not a readable HDF5 file")


@pytest.mark.parametrize("schema", [None, "things/1", "others/2"])
def test_a_foreign_file(tmp_path: Path, schema: str | None) -> None:
    path = tmp_path / "run-1.h5"
    with h5py.File(path, "w", userblock_size=USER_BLOCK) as file:
        if schema:
            file.attrs["schema"] = schema
    assert_refused(path, "no seal")
    seal(path)
    assert_refused(path, f"schema {schema!r}")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_not_finite(tmp_path: Path, value: float) -> None:
    path = write(tmp_path / "run-1.h5")
    with altered(path) as file:
        file["rows/a"][2, 1] = value
    assert_refused(path, f"{value} in dataset 'rows/a' at [2, 1]")


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("steps", None, "no dataset 'steps' (there are: chosen, parts/x, rows/a)"),
        ("rows/a", np.ones((5, 3), np.float32), "axis 'steps' of length 5 in 'rows/a' but 4 in 'steps'"),
        ("rows/a", np.ones((4, 2), np.float32), "axis 'params' of length 2 in 'rows/a' but 3 in its run"),
        ("rows/a", np.ones(4, np.float32), "dataset 'rows/a' of shape (4,), not [steps, params]"),
        ("rows/a", np.ones((4, 3)), "dataset 'rows/a' of dtype float64, not float32"),
        ("rows/a", np.ones((4, 3), ">f4"), "dataset 'rows/a' of dtype >f4, not float32"),
        ("rows/b", np.ones((4, 3), np.float32), "an unknown dataset 'rows/b'"),
        ("parts/x", np.ones((3, 5), np.float32), "dataset 'parts/x' of shape (3, 5), not [2, length]"),
        ("parts/note", np.ones(4, np.float32), "dataset 'parts/note' with attributes {}, not axes ['length']"),
        ("steps", np.array([0, 1, 1, 2]), "values of 'steps' that do not increase: 0, 1, 1, 2"),
        ("steps", np.array([3, 2, 1, 0]), "values of 'steps' that do not increase"),
        ("steps", np.array([-1, 0, 1, 2]), "-1 in dataset 'steps' at [0]"),
        ("chosen", np.array([0, 4]), "4 in dataset 'chosen' at [1]"),
    ],
)
def test_what_does_not_follow_the_schema(tmp_path: Path, name: str, value: object, problem: str) -> None:
    path = write(tmp_path / "run-1.h5")
    with altered(path) as file:
        put(file, name, value)
    assert_refused(path, problem)


@pytest.mark.parametrize("name", ["run", "layout", "settings"])
def test_a_missing_attribute(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "run-1.h5")
    with altered(path) as file:
        del file.attrs[name]
    assert_refused(path, f"no attribute {name!r} (there are:")


def test_texts_that_are_not_the_run_s(tmp_path: Path) -> None:
    path = write(tmp_path / "run-1.h5")
    with altered(path) as file:
        file.attrs["layout"] = '{"v": [3]}'
    assert_refused(path, """layout '{"v": [3]}', not '{"w": [3]}'""")
    with altered(path) as file:
        file.attrs["layout"] = LAYOUT
        file.attrs["notes"] = "mine"
    assert_refused(path, "an attribute 'notes', which it does not carry")
    with altered(path) as file:
        del file.attrs["notes"]
        file["rows/a"].attrs["axes"] = '["params", "steps"]'
    assert_refused(path, "dataset 'rows/a' with attributes {'axes': '[\"params\", \"steps\"]'}")


def test_what_breaks_the_schema_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "run-1.h5"
    with pytest.raises(ArtifactError, match="nan in dataset 'rows/a'"):
        write(path, np.full((4, 3), np.nan, np.float32))
    assert list(tmp_path.iterdir()) == []


def test_a_schema_of_its_own_needs_no_run_and_no_stage(tmp_path: Path) -> None:
    schema = Schema("things", 1, {"values": Dataset(("n",), "float64", "values")}, attributes={"units": "m"})
    path = tmp_path / "things.h5"
    with schema.create(path) as file:
        file["values"] = np.ones(3)
    with schema.open(path) as file:
        assert file["values"].attrs["axes"] == '["n"]'
    with altered(path) as file:
        del file.attrs["units"]
    with pytest.raises(ArtifactError, match=r"no attribute 'units' .*Write .*things.h5 anew\.$"), schema.open(path):
        pass


# Damage: whatever happens to the bytes is seen before any is used.


def test_every_flipped_bit_is_seen(tmp_path: Path) -> None:
    path = write(tmp_path / "run-1.h5")
    content = path.read_bytes()
    for place in range(0, len(content), 7):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :])
        assert_refused(path, "make@run-1")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_every_lost_end_and_every_zeroed_block_is_seen(tmp_path: Path, data: st.DataObject) -> None:
    path = write(tmp_path / "run-1.h5")
    content = path.read_bytes()
    start = data.draw(st.integers(0, len(content) - 1))
    stop = data.draw(st.integers(start + 1, len(content)))
    for damaged in (content[:start], content[:start] + bytes(stop - start) + content[stop:], content + content[start:]):
        if damaged != content:
            path.write_bytes(damaged)
            assert_refused(path)


# Hostile files, sealed as a forger would: nothing but plain numbers and short texts passes.


def external(file: h5py.File, folder: Path) -> None:
    (folder / "private").write_bytes(np.full(12, 7, np.float32).tobytes())
    del file["rows/a"]
    file.create_dataset("rows/a", (4, 3), "f4", external=[(str(folder / "private"), 0, h5py.h5f.UNLIMITED)])


def virtual(file: h5py.File, folder: Path) -> None:
    del file["rows/a"]
    layout = h5py.VirtualLayout((4, 3), "f4")
    layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "x", (4, 3))
    file.create_virtual_dataset("rows/a", layout)


def linked(link: object) -> Callable[[h5py.File, Path], None]:
    def change(file: h5py.File, folder: Path) -> None:
        del file["rows/a"]
        file["rows/a"] = link

    return change


def filtered(**options: object) -> Callable[[h5py.File, Path], None]:
    def change(file: h5py.File, folder: Path) -> None:
        del file["rows/a"]
        file.create_dataset("rows/a", data=np.ones((4, 3), np.float32), chunks=(1, 3), **options)

    return change


def shaped(shape: tuple[int, ...], dtype: object = "f4", **options: object) -> Callable[[h5py.File, Path], None]:
    def change(file: h5py.File, folder: Path) -> None:
        del file["rows/a"]
        file.create_dataset("rows/a", shape, dtype, **options)

    return change


def twice(file: h5py.File, folder: Path) -> None:
    file["parts/again"] = file["rows"]


def looped(file: h5py.File, folder: Path) -> None:
    file["rows/up"] = file["/"]


def deep(file: h5py.File, folder: Path) -> None:
    file.create_group("/".join("x" * 40))


def a_type(file: h5py.File, folder: Path) -> None:
    file["type"] = np.dtype("f4")


def committed(file: h5py.File, folder: Path) -> None:
    a_type(file, folder)
    del file["rows/a"]
    file.create_dataset("rows/a", data=np.ones((4, 3)), dtype=file["type"])


def long_text(file: h5py.File, folder: Path) -> None:
    file.attrs["run"] = "x" * 4_000_000


def many_texts(file: h5py.File, folder: Path) -> None:
    for number in range(20):
        file.attrs[f"note {number}"] = "x"


def array_text(file: h5py.File, folder: Path) -> None:
    file.attrs["run"] = np.zeros(1000)


def group_text(file: h5py.File, folder: Path) -> None:
    file["rows"].attrs["run"] = "x"


def many_members(file: h5py.File, folder: Path) -> None:
    for number in range(300):
        file.create_group(f"empty/{number}")


def reference(file: h5py.File, folder: Path) -> None:
    where = file["steps"].ref
    del file["rows/a"]
    file.create_dataset("rows/a", (4, 3), h5py.ref_dtype)[:] = where


def no_space(file: h5py.File, folder: Path) -> None:
    del file["rows/a"]
    file["rows/a"] = h5py.Empty("f4")


HOSTILE: dict[str, tuple[Callable[[h5py.File, Path], None], str]] = {
    "values in another file": (external, "lie in another file (external storage)"),
    "values of another file's dataset": (virtual, "made of other datasets (virtual)"),
    "soft link": (linked(h5py.SoftLink("/steps")), "'rows/a', a link to a name"),
    "dangling link": (linked(h5py.SoftLink("/nothing")), "'rows/a', a link to a name"),
    "external link": (linked(h5py.ExternalLink("/etc/passwd", "/")), "'rows/a', a link to another file"),
    "gzip": (filtered(compression="gzip"), "stored through a filter (deflate)"),
    "lzf": (filtered(compression="lzf"), "stored through a filter (lzf)"),
    "scale-offset": (filtered(scaleoffset=3), "stored through a filter"),
    "shuffle": (filtered(shuffle=True), "stored through a filter (shuffle)"),
    "checksum filter": (filtered(fletcher32=True), "stored through a filter (fletcher32)"),
    "a sparse terabyte": (shaped((2**28, 2**10), chunks=(2**10, 2**10)), "of which 0 are in the file"),
    "a sparse row": (shaped((4, 3), chunks=(4, 3)), "of 1 chunks, of which 0 are in the file"),
    "contiguous, never written": (shaped((4, 3)), "of 48 bytes, of which 0 are in the file"),
    "a chunk of a gigabyte": (shaped((4, 2**26), chunks=(4, 2**26)), "in chunks of 1,073,741,824 bytes"),
    "texts": (shaped((4, 3), h5py.string_dtype()), "not of plain numbers"),
    "lists of any length": (shaped((4, 3), h5py.vlen_dtype("f4")), "not of plain numbers"),
    "records": (shaped((4, 3), np.dtype([("a", "f4"), ("b", "i8")])), "not of plain numbers"),
    "opaque values": (shaped((4, 3), np.dtype("V4")), "not of plain numbers"),
    "yes and no": (shaped((4, 3), "?"), "not of plain numbers"),
    "complex numbers": (shaped((4, 3), "c8"), "not of plain numbers"),
    "references": (reference, "not of plain numbers"),
    "half of a number": (shaped((4, 3), "f2"), "of which 0 are in the file"),
    "an axis without end and one of nothing": (shaped((2**62, 0), maxshape=(None, None)), "which has no values"),
    "no axes": (shaped(()), "without axes"),
    "no values": (no_space, "without axes"),
    "one thing under two names": (twice, "which is another member under a second name"),
    "a folder in itself": (looped, "which is another member under a second name"),
    "forty folders deep": (deep, "groups more than 8 deep"),
    "a type by itself": (a_type, "neither a group nor a dataset"),
    "numbers of a committed type": (committed, "not of plain numbers"),
    "a text of megabytes": (long_text, "bytes beside its numbers"),
    "twenty attributes": (many_texts, "attributes of the file, more than 8"),
    "a list as attribute": (array_text, "attribute 'run' of the file, which is not a single text"),
    "an attribute of a folder": (group_text, "1 attributes of 'rows', more than 0"),
    "empty folders": (many_members, "'empty/0', an empty group"),
}


@pytest.mark.parametrize(("change", "problem"), HOSTILE.values(), ids=list(HOSTILE))
def test_a_hostile_file(tmp_path: Path, change: Callable[[h5py.File, Path], None], problem: str) -> None:
    path = write(tmp_path / "run-1.h5")
    with altered(path) as file:
        change(file, tmp_path)
    assert_refused(path, "an object that no file of sedlib holds", problem)


def test_a_private_file_does_not_get_into_an_artifact(tmp_path: Path) -> None:
    """A dataset over another file is never read, so nothing that a stage writes can hold its bytes."""
    path = write(tmp_path / "run-1.h5")
    with altered(path) as file:
        external(file, tmp_path)
    (tmp_path / "private").chmod(0)  # whoever reads it is seen, unless he is root
    with pytest.raises(ArtifactError, match="external storage"), SCHEMA.open(path):
        pass


# Writing.


def write_much(path: Path) -> None:
    with SCHEMA.create(path, {"run": "{}", "settings": "{}"}) as file:
        file["chosen"] = np.array([0])
        rows, steps = growing(file, "rows/a", (3,)), growing(file, "steps", (), "int64")
        for step in range(3_000):
            append(rows, np.ones(3, np.float32))
            append(steps, step)


@pytest.mark.parametrize("size", [0, 100, 600, 2_000, 4_000, 6_000, 30_000, 100_000])
def test_a_full_disk_is_named_and_nothing_is_lost(tmp_path: Path, size: int) -> None:
    path = write(tmp_path / "run-1.h5")
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        with pytest.raises(WriteError, match=r"run-1.h5 cannot be written: the file would exceed .* is unchanged"):
            write_much(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_one_target_has_one_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sedlib.base.atomic.SECONDS_TO_END", 0.1)
    path = tmp_path / "run-1.h5"
    with replacing(path) as first:
        first.write_text("first")
        with pytest.raises(WriteError, match=r"another process is writing it"), replacing(path):
            pass
        with replacing(tmp_path / "run-2.h5") as other:
            other.write_text("other")
    assert path.read_text() == "first"
    assert {found.name for found in tmp_path.iterdir()} == {"run-1.h5", "run-2.h5"}


def test_what_a_killed_writer_left_is_cleared(tmp_path: Path) -> None:
    (tmp_path / ".[a].h5.123-abc.tmp").write_text("half")
    (tmp_path / ".other.h5.123-abc.tmp").write_text("half")
    with replacing(tmp_path / "[a].h5") as temporary:
        temporary.write_text("whole")
    assert {found.name for found in tmp_path.iterdir()} == {"[a].h5", ".other.h5.123-abc.tmp"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_not_writable(tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(WriteError, match="you may not write there"), replacing(tmp_path / "x.h5") as temporary:
        temporary.write_text("x")
