"""Dumps in a bundle and out of it: equal bytes, and whatever this clone's locks do not name is taken by nobody."""

import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from dvc.repo import Repo
from dvc.rwlock import rwlock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sedlib.base.errors import UserError
from sedlib.upkeep.bundling.bundle import bundle
from sedlib.upkeep.bundling.unbundle import unbundle
from sedlib.upkeep.tar_blocks import padding
from tests.clone import ANALYSIS, CODE, Clone, cloned, names
from tests.kept import flip, repository, run
from tests.test_experiments import recipe

PIPELINE = """
stages:
  make:
    foreach: [run-1, run-2]
    do:
      cmd: >-
        mkdir -p artifacts/gradients artifacts/checkpoints && echo dump ${item} > artifacts/gradients/${item}.h5 &&
        echo checkpoints ${item} > artifacts/checkpoints/${item}.h5 && echo a table > ${item}.csv &&
        mkdir -p artifacts/results/${item}/figures && echo a table > artifacts/results/${item}/some.csv &&
        echo drawn > artifacts/results/${item}/figures/one.svg
      outs:
        - artifacts/gradients/${item}.h5
        - artifacts/checkpoints/${item}.h5
        - artifacts/results/${item}/some.csv
        - artifacts/results/${item}/figures
        - ${item}.csv
"""
DUMP = Path("artifacts/gradients/run-1.h5")
CHECKPOINTS = Path("artifacts/checkpoints/run-1.h5")
BUNDLE = Path("../dumps.tar")


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its stages ran."""
    folder = tmp_path_factory.mktemp("bundled")
    repository(folder, PIPELINE, "hardlink")
    return folder


@pytest.fixture
def clone(made_up: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clone:
    """The working directory is the repository with its results."""
    subprocess.run(["cp", "-a", f"{made_up}/.", tmp_path], check=True)  # links stay links
    monkeypatch.chdir(tmp_path / "toy")
    return Clone(tmp_path / "toy")


@pytest.fixture
def empty(clone: Clone) -> Clone:
    """There is a bundle of both runs with their checkpoints, and the clone has lock and pipeline alone."""
    bundle(["run-2", "run-1"], BUNDLE, checkpoints=True)
    clear()
    return clone


def clear() -> None:
    for folder in (Path("artifacts"), Path(".dvc/cache/files")):
        subprocess.run(["chmod", "-R", "u+w", folder], check=True)
        shutil.rmtree(folder)


def taken() -> dict[str, str]:
    """What is in the workspace, and in the cache, by path and by name."""
    files = [path for folder in (Path("artifacts"), Path(".dvc/cache/files")) for path in folder.rglob("*")]
    return {str(path): path.read_text() for path in files if path.is_file()}


def test_what_is_unbundled_is_what_was_bundled_and_dvc_takes_it_for_computed(
    clone: Clone, capfd: pytest.CaptureFixture[str]
) -> None:
    before = [path.read_text() for path in (DUMP, CHECKPOINTS)]
    bundle(["run-1"], BUNDLE, checkpoints=False)
    unbundle(BUNDLE)
    assert "Now: dvc repro --allow-missing figures@run-1" in capfd.readouterr().err
    bundle(["run-1"], BUNDLE, checkpoints=True)
    clear()
    unbundle(BUNDLE)
    assert [path.read_text() for path in (DUMP, CHECKPOINTS)] == before
    assert "Now:" not in (said := capfd.readouterr().err)
    assert "3 files are here as dvc.lock says" in said
    assert "didn't change" in run(clone, "dvc", "repro", "--allow-missing", "make@run-1")
    assert len(taken()) == 6


def test_checkpoints_come_only_where_they_are_asked_for(clone: Clone) -> None:
    bundle(["run-1"], BUNDLE, checkpoints=False)
    with tarfile.open(BUNDLE) as archive:
        assert archive.getnames() == ["dvc.lock", str(DUMP), "artifacts/results/run-1/some.csv"]
        assert {(one.mtime, one.uid, one.uname, one.mode) for one in archive} == {(0, 0, "", 0o644)}


def test_equal_files_give_equal_bundles_whenever_and_in_whichever_order(clone: Clone) -> None:
    bundle(["run-1", "run-2", "run-1"], BUNDLE, checkpoints=True)
    first = BUNDLE.read_bytes()
    DUMP.touch()
    bundle(["run-2", "run-1"], BUNDLE, checkpoints=True)
    assert BUNDLE.read_bytes() == first


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (
            lambda: DUMP.unlink(),
            r"1 of 2 files are not here, the first is \S+/run-1.h5: compute them with `dvc repro figures",
        ),
        (
            lambda: flip(DUMP),
            r"run-1.h5 is not what dvc.lock says: .*`sedlib verify --fix artifacts/gradients/run-1.h5`",
        ),
        (lambda: Path("dvc.lock").write_text("}"), r"dvc\.lock is not a lock that DVC wrote"),
        (lambda: Path("dvc.lock").unlink(), "has no dump of 'run-1'; it has those of none"),
    ],
)
def test_what_is_not_as_the_lock_says_is_not_bundled(clone: Clone, spoil: Callable[[], object], reason: str) -> None:
    spoil()
    with pytest.raises(UserError, match=reason):
        bundle(["run-1"], BUNDLE, checkpoints=False)
    assert not BUNDLE.exists()


@pytest.mark.parametrize("name", ["run-3", "../run-1", "run-1.h5"])
def test_an_unknown_run_is_refused(clone: Clone, name: str) -> None:
    with pytest.raises(UserError, match="it has those of run-1, run-2"):
        bundle([name], BUNDLE, checkpoints=False)


def test_outside_a_repository_both_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "some.tar").write_bytes(bytes(1024))
    for command in (lambda: bundle(["run-1"], BUNDLE, checkpoints=False), lambda: unbundle(tmp_path / "some.tar")):
        with pytest.raises(UserError, match="DVC refuses: you are not inside of a DVC repository"):
            command()


# --- Hostile and damaged bundles ---


def archive_of(*members: tuple[str, bytes], kind: bytes = tarfile.REGTYPE, **fields: object) -> bytes:
    """An archive that has the lock, and these members with what else a header can say."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, text in [("dvc.lock", Path("dvc.lock").read_bytes()), *members]:
            described = tarfile.TarInfo(name)
            described.size = len(text)
            if name != "dvc.lock":
                described.type = kind
                for field, value in fields.items():
                    setattr(described, field, value)
            archive.addfile(described, io.BytesIO(text))
    used = content.getvalue().rstrip(b"\0")
    return used + bytes(-len(used) % 512) + bytes(1024)


GOOD = (str(DUMP), b"dump run-1\n")
HOSTILE: dict[str, Callable[[], bytes]] = {
    "a path that leads out": lambda: archive_of(("../../outside", b"x")),
    "an absolute path": lambda: archive_of(("/tmp/outside", b"x")),
    "a link": lambda: archive_of((str(DUMP), b""), kind=tarfile.SYMTYPE, linkname="/etc/passwd"),
    "a hard link": lambda: archive_of((str(DUMP), b""), kind=tarfile.LNKTYPE, linkname="dvc.lock"),
    "a device": lambda: archive_of((str(DUMP), b""), kind=tarfile.CHRTYPE),
    "a folder": lambda: archive_of((str(DUMP), b""), kind=tarfile.DIRTYPE),
    "a sparse file": lambda: archive_of(GOOD, kind=tarfile.GNUTYPE_SPARSE),
    "an extended header": lambda: archive_of(GOOD, kind=tarfile.XHDTYPE),
    "an owner": lambda: archive_of(GOOD, uid=1000),
    "a mode": lambda: archive_of(GOOD, mode=0o4755),
    "bytes between files": lambda: archive_of(GOOD).replace(GOOD[1] + bytes(9), GOOD[1] + b"otherwise"),
    "a time": lambda: archive_of(GOOD, mtime=1),
    "a file twice": lambda: archive_of(GOOD, GOOD),
    "another order": lambda: archive_of(GOOD, (str(CHECKPOINTS), b"checkpoints run-1\n")),
    "other content": lambda: archive_of((str(DUMP), b"dump run-7\n")),
    "another size": lambda: archive_of((str(DUMP), b"dump run-1 and more\n")),
    "a file of no run": lambda: archive_of(("run-1.csv", b"a table\n")),
    "a run that nobody has": lambda: archive_of(("artifacts/gradients/run-3.h5", b"dump run-3\n")),
    "code": lambda: archive_of(("study.py", b"print()\n")),
    "git's hooks": lambda: archive_of((".git/hooks/post-checkout", b"#!/bin/sh\n")),
    "no file": lambda: archive_of(),
    "no lock": lambda: archive_of(GOOD)[512 + -(-Path("dvc.lock").stat().st_size // 512) * 512 :],
    "an end that is missing": lambda: archive_of(GOOD)[:-512],
    "bytes after its end": lambda: archive_of(GOOD) + bytes(512),
    "nothing": lambda: b"",
    "zeros": lambda: bytes(4096),
    "a text": lambda: b"version https://git-lfs.github.com/spec/v1\n" * 40,
    "a file compressed": lambda: b"\x1f\x8b" + bytes(2000),
}


@pytest.mark.parametrize("attack", HOSTILE)
def test_a_hostile_bundle_is_refused_and_nothing_is_taken(empty: Clone, attack: str, tmp_path: Path) -> None:
    BUNDLE.write_bytes(HOSTILE[attack]())
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(
        UserError, match=r"expected a bundle as `sedlib bundle` writes it|is of another state than this clone"
    ):
        unbundle(BUNDLE)
    assert not taken()
    assert [path for path in sorted(tmp_path.rglob("*")) if path not in before and ".dvc" not in path.parts] == []


def test_the_attacks_fail_for_what_they_change_alone(empty: Clone) -> None:
    BUNDLE.write_bytes(archive_of(GOOD))
    unbundle(BUNDLE)
    assert DUMP.read_bytes() == GOOD[1]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_flipped_bit_or_a_lost_end_gives_nothing_or_the_same(empty: Clone, data: st.DataObject) -> None:
    whole = BUNDLE.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    cut = data.draw(st.booleans())
    damaged = bytearray(whole[:place] if cut else whole)
    if not cut:
        damaged[place] ^= 1 << data.draw(st.integers(0, 7))
    other = BUNDLE.with_name("damaged.tar")
    other.write_bytes(damaged)
    try:
        unbundle(other)
    except UserError:
        pass
    else:
        assert not cut  # and the bit was one that nobody reads: of dvc.lock, which is for people, or between files
    for name, text in taken().items():
        assert text in {"a table\n", *(f"{kind} run-{n}\n" for kind in ("dump", "checkpoints") for n in (1, 2))}, name
    if taken():
        clear()


def test_a_file_with_other_content_stays_and_is_named(empty: Clone) -> None:
    DUMP.parent.mkdir(parents=True)
    DUMP.write_text("mine\n")
    with pytest.raises(UserError, match=r"run-1.h5 is here, and is not what dvc.lock says: move it away, or if it is"):
        unbundle(BUNDLE)
    assert list(taken().values()) == ["mine\n"]


@pytest.mark.parametrize("where", ["dangling", "loop", "folder", "file in place of a folder", "another disk"])
def test_something_else_in_a_files_place_is_named(empty: Clone, where: str, tmp_path: Path) -> None:
    DUMP.parent.parent.mkdir()
    if where == "another disk":
        (tmp_path / "elsewhere").mkdir()
        DUMP.parent.symlink_to(tmp_path / "elsewhere")
    elif where == "file in place of a folder":
        DUMP.parent.write_text("")
    elif where == "folder":
        DUMP.mkdir(parents=True)
    else:
        DUMP.parent.mkdir()
        DUMP.symlink_to("nowhere" if where == "dangling" else DUMP.name)
    with pytest.raises(UserError, match=r"is here, and is not what dvc.lock says|is no folder of this repository"):
        unbundle(BUNDLE)
    assert not [name for name, text in taken().items() if text]
    assert not list(tmp_path.glob("elsewhere/*"))


def test_in_a_subfolder_both_are_refused(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle(["run-1"], BUNDLE, checkpoints=False)
    DUMP.unlink()
    DUMP.write_text("mine\n")
    Path("sub").mkdir()
    monkeypatch.chdir("sub")
    for command in (lambda: unbundle(Path("..") / BUNDLE), lambda: bundle(["run-1"], BUNDLE, checkpoints=False)):
        with pytest.raises(UserError, match="run this in the root of the repository: cd "):
            command()
    assert (Path("..") / DUMP).read_text() == "mine\n"


@pytest.mark.parametrize(
    "target", ["dvc.lock", "dvc.yaml", ".dvc/config", ".git/config", str(DUMP), "fifo", "artifacts"]
)
def test_a_bundle_replaces_nothing_but_a_bundle(clone: Clone, target: str) -> None:
    os.mkfifo("fifo")
    before = taken()
    with pytest.raises(UserError, match="exists and is no bundle; choose another name"):
        bundle(["run-1"], Path(target), checkpoints=False)
    with pytest.raises(UserError, match="the folder missing is missing"):
        bundle(["run-1"], Path("missing/dumps.tar"), checkpoints=False)
    assert taken() == before


@pytest.mark.parametrize("command", [bundle, unbundle])
def test_a_stage_that_runs_keeps_its_files(clone: Clone, command: Callable[..., None]) -> None:
    bundle(["run-1"], BUNDLE, checkpoints=False)
    arguments = (["run-1"], BUNDLE, False) if command is bundle else (BUNDLE,)
    with (
        Repo(".") as repo,
        rwlock(repo.tmp_dir, repo.fs, "dvc repro", [], [str(DUMP.absolute())], False),
        pytest.raises(UserError, match="another command runs in this repository; wait until it has ended"),
    ):
        command(*arguments)


def test_a_file_that_grows_while_it_is_bundled_is_refused(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sedlib.upkeep.bundling.bundle.padding", and_grow)
    with pytest.raises(UserError, match=r"run-1\.h5 is not what dvc.lock says"):
        bundle(["run-1"], BUNDLE, checkpoints=False)
    assert not BUNDLE.exists()


def and_grow(size: int) -> bytes:
    """The padding after dvc.lock; then somebody writes in place to the file that follows."""
    DUMP.chmod(0o644)
    with DUMP.open("a") as file:
        file.write("more\n")
    return padding(size)


def test_too_little_space_is_said_before_anything_is_written(empty: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=3))
    with pytest.raises(UserError, match=r"has 3 bytes free, and the bundle needs \d+. The workspace is as it was"):
        unbundle(BUNDLE)
    assert not taken()


def test_what_a_killed_one_left_is_removed(empty: Clone) -> None:
    stores = Path(".dvc/cache/files").absolute()
    BUNDLE.with_name("half.tar").write_bytes(BUNDLE.read_bytes())
    unbundle(BUNDLE)
    assert [path.name for path in stores.iterdir()] == ["md5"]


@pytest.mark.parametrize("missing", [Path("nowhere.tar"), Path("artifacts")])
def test_what_is_no_file_is_named(clone: Clone, missing: Path) -> None:
    with pytest.raises(UserError, match=r"is missing; expected a bundle|is no regular file; expected a bundle"):
        unbundle(missing)


def test_an_uncommitted_lock_is_said(clone: Clone, capfd: pytest.CaptureFixture[str]) -> None:
    bundle(["run-1"], BUNDLE, checkpoints=False)
    assert "dvc.lock is not that of the last commit: commit it" in capfd.readouterr().err
    clone.commit()
    bundle(["run-1"], BUNDLE, checkpoints=False)
    assert "is not that of the last commit" not in capfd.readouterr().err


def test_a_damaged_object_of_the_cache_is_replaced(clone: Clone) -> None:
    bundle(["run-1"], BUNDLE, checkpoints=False)
    flip(DUMP)  # and with it the cache's, of which it is a link
    DUMP.unlink()
    unbundle(BUNDLE)
    assert DUMP.read_text() == "dump run-1\n"


def test_what_is_there_already_is_not_copied_again(clone: Clone) -> None:
    bundle(["run-1"], BUNDLE, checkpoints=False)
    before = DUMP.stat().st_ino
    unbundle(BUNDLE)
    assert DUMP.stat().st_ino == before


def test_a_lock_that_changed_elsewhere_does_not_matter(empty: Clone) -> None:
    lock = Path("dvc.lock")
    lock.write_text(f"{lock.read_text()}\n")
    unbundle(BUNDLE)
    assert DUMP.exists()


@pytest.mark.slow
def test_the_recipe_of_the_page(finished: Clone, tmp_path: Path) -> None:
    """Analysed without a checkpoint, a remote and the clone that it came from."""
    _, _, giving, taking, *_ = recipe("Share")
    mine = Clone(tmp_path / "mine")
    shutil.copytree(finished.folder, mine.folder, symlinks=True)
    mine.commit()
    other = cloned(mine, tmp_path / "other")
    for clone in (mine, other):
        (clone.folder / ".venv").mkdir()
        (clone.folder / ".venv/bin").symlink_to(Path(sys.executable).parent)
        (clone.folder / ".venv/.ready").touch()
    typed(mine, giving[0])
    mine.folder.rename(tmp_path / "gone")
    pull, run = taking
    typed(other, pull)
    assert sorted(re.findall(r"Running stage '(.*?)'", typed(other, run))) == sorted(CODE + names(ANALYSIS))
    assert not list(other.folder.glob("artifacts/checkpoints/*.h5"))


def typed(clone: Clone, command: str) -> str:
    """What a line of the page prints, with the tiny model's run and a window that it has."""
    done = clone.call("bash", "-euc", command.replace("add-42", "add-1").replace("window=10", "window=2"))
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout
