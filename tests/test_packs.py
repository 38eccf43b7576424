"""Result tables in a pack and out of it: equal bytes, one state, and whatever is hostile or damaged writes nothing."""

import hashlib
import io
import json
import lzma
import random
import shutil
import subprocess
import tarfile
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from sedlib.base.errors import UserError
from sedlib.cli import main
from sedlib.pipeline.workspace import ARTIFACTS
from sedlib.upkeep.packing import closed_tar, table_pack
from sedlib.upkeep.packing.artifact_list import LIST, write_list
from sedlib.upkeep.packing.locked_tables import Locked
from sedlib.upkeep.packing.pack import pack, say_if_outdated
from sedlib.upkeep.packing.place import MAIN, PACK, RESULTS, Place
from sedlib.upkeep.packing.table_pack import packed, read_pack
from sedlib.upkeep.packing.unpack import unpack, unpack_if_none
from sedlib.upkeep.whole_locks import require_whole_locks
from tests.imports import ROOT
from tests.report.made_up import write

PARAMETERS = {"window": 20, "probes": {"seed": 0}, "runs": {"add-1": {"seed": 1}}}
MANIFEST = MAIN.manifest
FROZEN = ROOT / "tests/frozen/packs/version_1.tar.xz"


def lock(*names: str) -> None:
    """Write dvc.lock, in which a stage that reads ``window`` wrote what is at these paths."""
    outs = [{"path": name, "hash": "md5", "md5": hashlib.md5(Path(name).read_bytes()).hexdigest()} for name in names]
    params = {"params.yaml": {"window": 20, "probes.seed": 0}}
    text = json.dumps({"stages": {"some": {"cmd": "some", "params": params, "outs": outs}}})
    Path("dvc.lock").write_text(text)


def found() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in RESULTS.rglob("*") if path.is_file()}


def clear() -> None:
    RESULTS.rename("before")


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """The working directory has some tables, a lock that names them, and the pack that is made of both."""
    monkeypatch.chdir(tmp_path)
    write(RESULTS)
    for folder in ("add-3", "both-1"):
        shutil.rmtree(RESULTS / folder)
    Path("params.yaml").write_text(json.dumps(PARAMETERS))
    lock(*found())
    pack()
    return found()


def test_what_is_unpacked_is_what_was_packed(tables: dict[str, bytes], capfd: pytest.CaptureFixture[str]) -> None:
    clear()
    unpack()
    assert found() == tables
    assert f"{len(tables)} tables and descriptions unpacked from {PACK}" in capfd.readouterr().err
    assert [path.name for path in ARTIFACTS.iterdir() if path.is_dir()] == ["results"]


def test_equal_tables_give_equal_bytes_whenever_and_in_whichever_order(tables: dict[str, bytes]) -> None:
    before = PACK.read_bytes()
    for name, content in reversed(tables.items()):
        Path(name).unlink()
        Path(name).write_bytes(content)
    pack()
    assert PACK.read_bytes() == before == packed(dict(reversed(tables.items())))


def test_tar_reads_a_pack_and_sees_neither_times_nor_owners(tables: dict[str, bytes]) -> None:
    with tarfile.open(PACK) as archive:
        members = archive.getmembers()
    assert [member.name for member in members] == [MANIFEST, *sorted(tables)]
    assert {(member.mtime, member.uid, member.uname, member.mode) for member in members} == {(0, 0, "", 0o644)}


def test_a_pack_holds_what_locks_name_and_neither_figures_nor_checkpoints(tables: dict[str, bytes]) -> None:
    others = ["artifacts/results/add-1/figures/coupling.svg", "artifacts/checkpoints/add-1.h5", "reports/metrics.json"]
    for name in [*others, "artifacts/results/unlocked.csv"]:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("some")
    lock(*tables, *others)
    pack()
    assert read_pack() == tables


def test_a_pack_from_the_first_version_is_still_read() -> None:
    assert {name: len(content) for name, content in read_pack(Place(FROZEN, RESULTS)).items()} == {
        "artifacts/results/add-1/training.csv": 32,
        "artifacts/results/add-1/training.resource.json": 3,
    }


# --- One state ---


def test_tables_that_are_not_what_the_locks_say_are_not_packed(tables: dict[str, bytes]) -> None:
    before = PACK.read_bytes()
    Path("artifacts/results/add-1/coupling.csv").write_text("step\n")
    with pytest.raises(UserError, match=r"1 of \d+ tables are not what DVC's locks say, .*add-1/coupling\.csv; run"):
        pack()
    assert PACK.read_bytes() == before


def test_a_pack_of_another_state_than_the_locks_is_refused(tables: dict[str, bytes]) -> None:
    name = "artifacts/results/add-1/coupling.csv"
    Path(name).write_text("step\n")
    lock(*tables)
    clear()
    with pytest.raises(UserError, match=rf"another state than DVC's locks at 1 of {len(tables)} tables, .*{name}"):
        unpack()
    assert not RESULTS.exists()


@pytest.mark.parametrize("change", [{"window": 5}, {"probes": {"seed": 1}}, {"probes": 3}])
def test_a_pack_of_other_parameters_is_refused(tables: dict[str, bytes], change: dict[str, Any]) -> None:
    Path("params.yaml").write_text(json.dumps({**PARAMETERS, **change}))
    clear()
    with pytest.raises(UserError, match=rf"other values of {next(iter(change))}.* than params\.yaml has"):
        unpack()
    assert not RESULTS.exists()


def test_one_more_run_in_params_leaves_the_pack_as_good_as_it_was(tables: dict[str, bytes]) -> None:
    Path("params.yaml").write_text(json.dumps({**PARAMETERS, "runs": {"add-1": {"seed": 1}, "add-9": {"seed": 9}}}))
    clear()
    unpack()
    assert found() == tables


def test_nothing_that_exists_is_overwritten(tables: dict[str, bytes], capfd: pytest.CaptureFixture[str]) -> None:
    own, gone = "artifacts/results/add-1/coupling.csv", "artifacts/results/add-2/coupling.csv"
    Path(own).write_text("my own")
    Path(gone).unlink()
    unpack()
    assert found() == {**tables, own: b"my own"}
    assert f"{len(tables) - 1} are there and stay as they are, 1 of them with other bytes" in capfd.readouterr().err


def test_results_of_two_states_are_never_mixed_by_themselves(tables: dict[str, bytes]) -> None:
    own = Path("artifacts/results/add-1/coupling.csv")
    clear()
    own.parent.mkdir(parents=True)
    own.write_text("my own")
    unpack_if_none()
    assert found() == {str(own): b"my own"}
    own.unlink()  # DVC leaves empty folders
    unpack_if_none()
    assert found() == tables


def test_where_there_is_no_pack_nothing_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    unpack_if_none()
    assert not list(tmp_path.iterdir())
    with pytest.raises(UserError, match=r"results\.tar\.xz is missing, or no regular file; restore it with `git"):
        unpack()
    with pytest.raises(UserError, match="none of the tables that DVC's locks name is here"):
        pack()


def test_an_outdated_pack_is_named(tables: dict[str, bytes], capfd: pytest.CaptureFixture[str]) -> None:
    say_if_outdated()
    assert "another state" not in capfd.readouterr().err
    new = "artifacts/results/add-9/coupling.csv"
    Path(new).parent.mkdir()
    Path(new).write_text("step\n")
    lock(*tables, new)
    say_if_outdated()
    assert f"another state than DVC's locks at 1 tables, the first is {new}: `sedlib pack`" in capfd.readouterr().err


def test_a_new_pack_keeps_what_is_not_here_and_still_of_the_locks(
    tables: dict[str, bytes], capfd: pytest.CaptureFixture[str]
) -> None:
    new = "artifacts/results/add-9/coupling.csv"
    Path(new).parent.mkdir()
    Path(new).write_text("step\n")
    lock(*tables, new)
    known = Path("dvc.lock").read_text()
    clear()
    Path(new).parent.mkdir(parents=True)
    Path(new).write_text("step\n")
    pack()
    assert read_pack() == {**tables, new: b"step\n"}
    PACK.unlink()
    pack()
    assert read_pack() == {new: b"step\n"}
    assert f"{len(tables)} more tables that DVC's locks name are missing here" in capfd.readouterr().err
    assert Path("dvc.lock").read_text() == known


@pytest.mark.parametrize(
    "text", ["", "stages", "stages: {a: 1}", "stages: {a: {outs: [1]}}", "{", "[" * 9999, "[" * 30_000, "{" * 30_000]
)
def test_a_broken_lock_is_named(tables: dict[str, bytes], text: str) -> None:
    Path("dvc.lock").write_text(text)
    for command in (pack, unpack):
        with pytest.raises(UserError, match=r"dvc\.lock is not a lock that DVC wrote; run `sedlib repair`"):
            command()


@pytest.mark.parametrize("kind", ["outs", "deps"])
@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("md5: 12345", "md5 of 'a' must be 32 hexadecimal digits, got 12345"),
        ("md5: 2020-14-45", "month must be"),
        ("md5: 2020-10-14", "md5 of 'a' must be"),
        ("md5: ABCDEF", "md5 of 'a' must be"),
        ("size: abc", "size of 'a' must be a number of bytes, got 'abc'"),
        ("size: true", "size of 'a' must be"),
        ("size: -1", "size of 'a' must be"),
    ],
)
def test_a_hash_or_a_size_that_is_none_is_refused(tables: dict[str, bytes], kind: str, said: str, problem: str) -> None:
    Path("dvc.lock").write_text(f"stages: {{s: {{cmd: x, {kind}: [{{path: a, {said}}}]}}}}")
    for command in (pack, unpack, require_whole_locks):
        with pytest.raises(
            UserError, match=rf"dvc\.lock is not a lock that DVC wrote: {problem}.*; restore it with `git checkout"
        ):
            command()


def test_a_lock_that_was_cut_shrinks_no_pack(tables: dict[str, bytes]) -> None:
    before, cut = PACK.read_bytes(), list(tables)[: len(tables) // 2]
    lock(*cut)
    with pytest.raises(UserError, match=rf"has {len(tables) - len(cut)} tables that DVC's locks do not .* --drop"):
        pack()
    assert PACK.read_bytes() == before
    pack(drop=True)
    assert sorted(read_pack()) == sorted(cut)


def test_a_damaged_pack_is_replaced_where_every_table_is_here(tables: dict[str, bytes]) -> None:
    PACK.write_bytes(b"x")
    pack()
    assert read_pack() == tables


def test_tables_of_the_lock_that_the_pack_lacks_are_counted(
    tables: dict[str, bytes], capfd: pytest.CaptureFixture[str]
) -> None:
    Path("artifacts/results/add-1/late.csv").write_text("step\n")
    lock(*tables, "artifacts/results/add-1/late.csv")
    clear()
    unpack()
    assert "1 more that DVC's locks name are not in the pack, the first is artifacts/results/add-1/late.csv" in (
        capfd.readouterr().err
    )


# --- Stopped, full, two at once ---


def test_who_is_killed_while_it_unpacks_leaves_none(tables: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    clear()
    written: list[Path] = []

    def dies(path: Path) -> None:
        written.append(path)
        if len(written) == 5:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("sedlib.upkeep.packing.unpack.sync", dies)
        with pytest.raises(KeyboardInterrupt):
            unpack()
    assert not RESULTS.exists()
    (ARTIFACTS / ".unpacking-of-one-that-was-killed/artifacts").mkdir(parents=True)
    unpack_if_none()
    assert found() == tables
    assert [path.name for path in ARTIFACTS.iterdir() if path.is_dir()] == ["results"]


def test_tables_appear_all_at_once(tables: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    clear()
    (RESULTS / "add-1/figures").mkdir(parents=True)  # DVC leaves empty folders
    renamed: list[Path] = []
    rename = Path.rename

    def renames_once(path: Path, target: Path) -> Path:
        renamed.append(path)
        if len(renamed) > 1:
            raise RuntimeError("the process was killed before its second step")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", renames_once)
    unpack()
    assert found() == tables


def test_what_another_command_writes_meanwhile_stays(tables: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    clear()
    own = Path("artifacts/results/add-1/coupling.csv")

    def meanwhile(_: Path) -> None:
        own.parent.mkdir(parents=True, exist_ok=True)
        own.write_text("my own")

    monkeypatch.setattr("sedlib.upkeep.packing.unpack.sync", meanwhile)
    unpack()
    assert found() == {**tables, str(own): b"my own"}


def test_a_full_disk_is_an_error_in_a_sentence(tables: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    clear()

    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sedlib.upkeep.packing.unpack.sync", full)
    with pytest.raises(UserError, match=r"cannot be unpacked into artifacts/results .*No space left"):
        unpack()
    assert not RESULTS.exists()


def test_several_at_once_give_the_same(tables: dict[str, bytes]) -> None:
    clear()
    with ThreadPoolExecutor(4) as pool:
        for task in [pool.submit(unpack_if_none) for _ in range(4)]:
            task.result()
    assert found() == tables


# --- Hostile and damaged packs ---

NAME, CONTENT = "artifacts/results/add-1/training.csv", b"step,op\n0,add\n"


def manifest(files: dict[str, bytes], **more: Any) -> bytes:
    hashes = {name: hashlib.sha256(files[name]).hexdigest() for name in sorted(files)}
    return f"{json.dumps({'kind': 'results/1', 'sha256': hashes, **more}, indent=1)}\n".encode()


def archive(*members: tuple[str, bytes], **header: Any) -> bytes:
    """As `sedlib pack` would write these members, but for what ``header`` says of the one called x.csv."""
    buffer = io.BytesIO()
    written = {"format": tarfile.USTAR_FORMAT, **header.pop("archive", {})}
    with tarfile.open(fileobj=buffer, mode="w", **written) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for key, value in header.items() if name.endswith("x.csv") else ():
                setattr(info, key, value)
            tar.addfile(info, io.BytesIO(content))
    ended = buffer.getvalue().rstrip(b"\0")
    return lzma.compress(ended + bytes(-len(ended) % 512 + 1024))


def of(name: str, **header: Any) -> Callable[[], bytes]:
    """A pack with one more member, which its list of hashes has."""
    content = CONTENT if header.get("type", tarfile.REGTYPE) == tarfile.REGTYPE else b""
    files = {NAME: CONTENT, name: content}
    return lambda: archive(*sorted([*files.items(), (MANIFEST, manifest(files))]), **header)


def of_size(size: int) -> Callable[[], bytes]:
    """One header and nothing that follows it."""
    header = tarfile.TarInfo("artifacts/results/x.csv")
    header.size = size
    return lambda: lzma.compress(header.tobuf(tarfile.GNU_FORMAT))


def with_largest_dictionary() -> bytes:
    """An xz file that says that 4 GiB are needed to read it."""
    text = bytearray(archive((MANIFEST, manifest({}))))
    end = 12 + 4 * text[12]
    text[16] = 40
    text[end : end + 4] = zlib.crc32(text[12:end]).to_bytes(4, "little")
    return bytes(text)


ONE = {NAME: CONTENT}
HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "a parent": (of("artifacts/results/../../../x.csv"), "'artifacts/results/../../../x.csv', which is the name of no"),
    "absolute": (of("/tmp/x.csv"), "'/tmp/x.csv', which is the name of no table"),
    "another folder": (of("artifacts/checkpoints/x.csv"), "which is the name of no table"),
    "a script": (of("artifacts/results/x.py"), "which is the name of no table"),
    "a hidden file": (of("artifacts/results/.x.csv"), "which is the name of no table"),
    "a backslash": (of("artifacts/results/..\\x.csv"), "which is the name of no table"),
    "a line feed": (of("artifacts/results/x\n.csv"), r"'artifacts/results/x\\n.csv', which is the name of no table"),
    "an end of line": (of("artifacts/results/x.csv\n"), "which is the name of no table"),
    "a control character": (of("artifacts/results/\x1b[2J.csv"), r"'artifacts/results/\\x1b\[2J.csv', which is"),
    "other letters": (
        of(
            "artifacts/results/ä.csv",
        ),
        "no header of a file",
    ),
    "a folder as a file": (of(f"{NAME}/x.csv"), "which is the name of no table"),
    "a symbolic link": (of("artifacts/results/x.csv", type=tarfile.SYMTYPE, linkname="/etc"), "no regular file"),
    "a hard link": (of("artifacts/results/x.csv", type=tarfile.LNKTYPE, linkname=NAME), "no regular file"),
    "a device": (of("artifacts/results/x.csv", type=tarfile.CHRTYPE, devmajor=1), "no regular file"),
    "a pipe": (of("artifacts/results/x.csv", type=tarfile.FIFOTYPE), "no regular file"),
    "a folder": (of("artifacts/results/x.csv", type=tarfile.DIRTYPE), "no regular file"),
    "sparse": (of("artifacts/results/x.csv", type=tarfile.GNUTYPE_SPARSE), "other bytes than its files give"),
    "an owner": (of("artifacts/results/x.csv", uname="root"), "other bytes than its files give"),
    "a time": (of("artifacts/results/x.csv", mtime=1), "other bytes than its files give"),
    "a mode": (of("artifacts/results/x.csv", mode=0o4755), "other bytes than its files give"),
    "an extended header": (
        of("artifacts/results/x.csv", archive={"format": tarfile.PAX_FORMAT, "pax_headers": {"path": "../x"}}),
        "no regular file",
    ),
    "one name twice": (
        lambda: archive((MANIFEST, manifest(ONE)), (NAME, CONTENT), (NAME, b"")),
        "training.csv' twice",
    ),
    "another order": (lambda: archive((NAME, CONTENT), (MANIFEST, manifest(ONE))), "other bytes than its files"),
    "no list of hashes": (lambda: archive((NAME, CONTENT)), "None in place of results/1"),
    "a later version": (
        lambda: archive((MANIFEST, manifest(ONE, kind="results/2")), (NAME, CONTENT)),
        "'results/2' in place of results/1",
    ),
    "a list of hashes that is none": (lambda: archive((MANIFEST, b"[" * 9999), (NAME, CONTENT)), "that is none"),
    "a list of something else": (lambda: archive((MANIFEST, b"[1]"), (NAME, CONTENT)), "that is none"),
    "another hash": (
        lambda: archive((MANIFEST, manifest({NAME: b""})), (NAME, CONTENT)),
        "with another hash than",
    ),
    "a file that has no hash": (
        lambda: archive((MANIFEST, manifest({})), (NAME, CONTENT)),
        "with another hash than",
    ),
    "a hash that has no file": (lambda: archive((MANIFEST, manifest(ONE))), "with another hash than"),
    "a word too many": (
        lambda: archive((MANIFEST, manifest(ONE, more=1)), (NAME, CONTENT)),
        "another artifacts/res",
    ),
    "a second end": (
        lambda: lzma.compress(lzma.decompress(archive((MANIFEST, manifest({})))) + bytes(512)),
        "other b",
    ),
    "a bomb": (lambda: lzma.compress(bytes(2**27 + 2**20), preset=0), "more than 134,217,728 bytes once unpacked"),
    "a dictionary of 4 GiB": (with_largest_dictionary, "no whole xz file .*[Mm]emory"),
    "a size beyond the end": (
        of_size(10**9),
        "'artifacts/results/x.csv' of 1,000,000,000 bytes, more than the file has",
    ),
    "a size below nothing": (of_size(-512), "'artifacts/results/x.csv' of -512 bytes, more than the file has"),
    "bytes after its end": (lambda: packed(ONE) + b"\0", "bytes after its end"),
    "two of them": (lambda: packed(ONE) * 2, "bytes after its end"),
    "half of it": (lambda: packed(ONE)[:200], "an end that is missing"),
    "nothing": (lambda: b"", "an end that is missing"),
    "something else": (lambda: b"PK\3\4" + bytes(100), "no whole xz file"),
    "too large": (lambda: bytes(10_000_001), "more than 10,000,000 bytes"),
}


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A clone without results; nothing may be written beside the pack."""
    folder = tmp_path / "clone"
    (folder / "reports").mkdir(parents=True)
    monkeypatch.chdir(folder)
    yield folder
    assert [path.name for path in tmp_path.iterdir()] == ["clone"]
    assert {path.name for path in folder.rglob("*")} == {"reports", PACK.name, "artifacts", ".unpacking-lock"}


@pytest.mark.parametrize(("make", "problem"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_pack_is_refused_in_a_sentence(empty: Path, make: Callable[[], bytes], problem: str) -> None:
    PACK.write_bytes(make())
    with pytest.raises(UserError, match=problem) as caught:
        unpack()
    assert str(caught.value).isprintable()
    assert str(caught.value).startswith(f"{PACK}: expected a pack as `sedlib pack` writes it, found ")
    assert len(str(caught.value)) < 600


def test_flipped_bits_and_lost_ends_are_seen(empty: Path) -> None:
    whole, chance = packed({NAME: CONTENT * 50}), random.Random(0)
    damaged = [whole[:length] for length in range(0, len(whole), 7)]
    for place in range(len(whole)):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << chance.randrange(8)
        damaged.append(bytes(flipped))
    for content in damaged:
        PACK.write_bytes(content)
        with pytest.raises(UserError, match="expected a pack as `sedlib pack` writes it"):
            unpack()


def test_a_link_in_place_of_the_pack_leads_to_no_more_than_a_pack(empty: Path) -> None:
    PACK.symlink_to("/dev/zero")
    with pytest.raises(UserError, match="no regular file"):
        unpack()


def test_a_pack_that_is_too_large_is_not_written_and_its_largest_files_are_named(
    tables: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = PACK.read_bytes()
    for module in (closed_tar, table_pack):
        monkeypatch.setattr(module, "LARGEST_ARCHIVE", 1000)
    with pytest.raises(UserError, match=r"at most 1,000; largest before they are compressed: \S+ with [\d,]+ bytes, "):
        pack()
    assert PACK.read_bytes() == before


def test_a_name_that_no_archive_can_have_is_refused() -> None:
    with pytest.raises(UserError, match=r"cannot be packed, found .*choose a shorter name"):
        packed({f"artifacts/results/{'a' * 200}.csv": b""})


# --- The committed pack ---


def test_the_results_are_those_of_the_workspace() -> None:
    assert ARTIFACTS / "results" == RESULTS


@pytest.fixture
def committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory has reports and locks of the last commit, which a run of one's own changes."""
    if subprocess.run(["git", "cat-file", "-e", f"HEAD:{PACK}"], cwd=ROOT, capture_output=True, check=False).returncode:
        pytest.skip("the run was not packed yet")
    files = ["git", "archive", "HEAD", "params.yaml", "reports", "*dvc.lock"]
    archive = subprocess.run(files, cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        opened.extractall(tmp_path, filter="data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_committed_pack_is_of_the_committed_locks(committed: Path) -> None:
    locked, tables = Locked.load(), read_pack()
    assert locked.hashes.keys() == tables.keys(), "write it anew: sedlib pack"
    assert locked.differing(tables) == []
    assert locked.changed_parameters(tables) == []


def test_the_committed_list_is_of_the_committed_lock(committed: Path) -> None:
    before = LIST.read_text()
    write_list()
    assert LIST.read_text() == before, "write it anew: sedlib pack"


def test_the_list_has_sizes_and_hashes_of_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    outs = [
        {"path": "artifacts/gradients/add-1.h5", "md5": "a" * 32, "size": 3000},
        {"path": "artifacts/checkpoints/add-1.h5", "md5": "b" * 32, "size": 1500},
        {"path": "artifacts/gradients/add-2.h5", "md5": "c" * 32, "size": 1},
        {"path": "artifacts/results/add-1/training.csv", "md5": "d" * 32, "size": 10},
        {"path": "by-another-tool", "etag": "e"},
    ]
    Path("dvc.lock").write_text(json.dumps({"stages": {"some": {"cmd": "some", "outs": outs}}}))
    write_list()
    assert LIST.read_text().splitlines()[2:] == [
        f"| add-1 | 3,000 | `{'a' * 32}` | 1,500 | `{'b' * 32}` |",
        f"| add-2 | 1 | `{'c' * 32}` |  |  |",
        "| all | 3,001 |  | 1,500 |  |",
    ]


@pytest.mark.parametrize("command", [["pack"], ["unpack"], ["unpack", "--if-none"], ["dag"]])
def test_in_a_subfolder_nothing_is_packed_unpacked_or_drawn(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".dvc").mkdir()
    (tmp_path / "docs").mkdir()
    monkeypatch.chdir(tmp_path / "docs")
    with pytest.raises(SystemExit, match=r"docs has no folder \.dvc: call sedlib where dvc.yaml is"):
        main(command)
    assert not list(Path().iterdir())
