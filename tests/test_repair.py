"""What a crash leaves of DVC's own files, in a repository whose stages take no time."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from dvc.lock import make_lock
from dvc.rwlock import RWLOCK_LOCK

from sedlib.base.errors import UserError
from sedlib.cluster.repair import repair
from sedlib.cluster.run_cache import clear_unreadable
from tests.toy import Toy, toy


@pytest.fixture(scope="module")
def finished_toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    """All stages ran, and nothing of it is committed."""
    found = toy(tmp_path_factory.mktemp("finished"))
    assert found.call("dvc", "repro").returncode == 0
    found.ran()
    return found


@pytest.fixture
def done(finished_toy: Toy, tmp_path: Path) -> Toy:
    """A copy, to break."""
    shutil.copytree(finished_toy.folder.parent, tmp_path / "copy")
    return Toy(tmp_path / "copy/toy")


def repaired(repository: Toy) -> str:
    return "\n".join(repair(repository.folder, repository.folder / ".dvc/cache"))


def rwlock(repository: Toy) -> Path:
    return repository.folder / ".dvc/tmp/rwlock"


def goes_on(repository: Toy) -> bool:
    """Whether plain DVC runs nothing."""
    again = repository.call("dvc", "repro")
    assert again.returncode == 0, again.stderr
    return repository.ran() == []


@pytest.mark.parametrize("left", ["", '{"write": {"out/le', "[]", '{"write": 3}', "\0\0\0\0"])
def test_a_broken_rwlock_is_removed(done: Toy, left: str) -> None:
    rwlock(done).write_text(left)
    assert ".dvc/tmp/rwlock was broken" in repaired(done)
    assert not rwlock(done).exists()


def test_processes_that_are_gone_are_removed_from_the_rwlock_and_others_stay(done: Toy) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    out, other = (str(done.folder / f"out/{name}.txt") for name in ("left", "elsewhere"))
    here = {"pid": os.getpid(), "cmd": "dvc repro"}
    held = {"write": {out: {"pid": gone.pid, "cmd": "dvc repro"}, other: here}, "read": {out: [here]}}
    rwlock(done).write_text(json.dumps(held))
    assert "named processes that are gone" in repaired(done)
    assert json.loads(rwlock(done).read_text()) == {"write": {other: here}, "read": {out: [here]}}
    assert repaired(done) == ""


def test_a_process_that_got_the_number_of_one_that_is_gone_does_not_hold_the_rwlock(done: Toy) -> None:
    out = str(done.folder / "out/left.txt")
    rwlock(done).write_text(json.dumps({"write": {out: {"pid": os.getpid(), "cmd": "dvc repro"}}, "read": {}}))
    before = time.time() - 10 * 24 * 3600
    os.utime(rwlock(done), (before, before))
    assert "named processes that are gone" in repaired(done)
    assert json.loads(rwlock(done).read_text()) == {"write": {}, "read": {}}


@pytest.mark.parametrize("share", [0.0, 0.6])
def test_a_cut_lock_file_is_repaired_or_harmless(done: Toy, share: float) -> None:
    lock = done.folder / "dvc.lock"
    before = lock.read_text()
    lock.write_text(before[: int(share * len(before))])
    repaired(done)
    assert goes_on(done)
    assert lock.read_text() == before


def test_merge_conflicts_are_left_to_whoever_merges(done: Toy) -> None:
    lock = done.folder / "dvc.lock"
    done.commit()
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    for start in ("HEAD", "HEAD~1"):
        done.call(*git, "checkout", "-q", "--detach", start)
        lock.write_text(lock.read_text().replace("md5: ", f"md5: {len(start)}"))
        done.commit()
        done.call("git", "tag", f"branch-{len(start)}")
    assert done.call(*git, "merge", "branch-4").returncode != 0
    conflict = lock.read_text()
    assert "<<<<<<<" in conflict
    message = "dvc.lock has merge conflicts: take either side, as by `git checkout --ours dvc.lock`"
    with pytest.raises(UserError, match=message):
        repaired(done)
    lock.write_text("")  # git still lists it
    with pytest.raises(UserError, match=message):
        repaired(done)
    assert lock.read_text() == ""
    lock.write_text(conflict)
    done.commit()  # by mistake
    with pytest.raises(UserError, match=message):
        repaired(done)
    assert lock.read_text() == conflict


def test_nothing_is_repaired_under_a_dvc_that_writes(done: Toy) -> None:
    rwlock(done).write_text("")
    guard = make_lock(str(done.folder / ".dvc/tmp" / RWLOCK_LOCK))
    with guard, pytest.raises(UserError, match="a DVC command is at work in"):
        repaired(done)
    assert rwlock(done).exists()


def test_the_command_says_what_it_did(done: Toy) -> None:
    rwlock(done).write_text("")
    (done.folder / "dvc.lock").write_text("")
    assert done.run("repair").splitlines() == [
        ".dvc/tmp/rwlock was broken, as a crash leaves it: removed",
        "dvc.lock was broken, as a crash leaves it: removed; the run-cache has what is missing",
        "nothing of DVC's own is broken now; `dvc repro` goes on from here",
    ]
    assert goes_on(done)


def test_entries_of_the_run_cache_that_are_no_text_are_removed(tmp_path: Path) -> None:
    folder = tmp_path / "runs/ab/abcd"
    folder.mkdir(parents=True)
    for name, content in {"whole": b"cmd: true\n", "garbage": b"\xff\xfe\x00", "empty": b""}.items():
        (folder / name).write_bytes(content)
    assert sorted(path.name for path in clear_unreadable(tmp_path)) == ["empty", "garbage"]
    assert [path.name for path in folder.iterdir()] == ["whole"]


def test_a_run_cache_that_is_no_text_stops_dvc_until_it_is_repaired(done: Toy) -> None:
    for entry in (done.folder / ".dvc/cache/runs").glob("*/*/*"):
        entry.write_bytes(b"\xff\xfe\x00")
    (done.folder / "dvc.lock").unlink()
    assert done.call("dvc", "repro").returncode != 0
    assert "was broken, as a crash leaves it: removed, its stage runs again" in repaired(done)
    assert done.call("dvc", "repro").returncode == 0
