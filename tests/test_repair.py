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
from sedlib.cluster.exclusive import refuse_read_only
from sedlib.cluster.repair import repair
from sedlib.cluster.run_cache import clear_unreadable
from tests.imports import ROOT
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


GIT = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
ONE_MORE = """  {name}:
    cmd: sh stage.sh {name} out/{name}.txt 0 source.txt
    deps: [stage.sh, source.txt]
    outs: [out/{name}.txt]
"""


def in_the_middle_of_a_merge(repository: Toy) -> None:
    """Of two branches that each added a stage and ran it."""
    assert repository.call("git", "config", "merge.conflictStyle", "diff3").returncode == 0
    repository.commit()
    pipeline = repository.folder / "dvc.yaml"
    before = pipeline.read_text()
    for name, text in {
        "theirs": before.replace("stages:\n", "stages:\n" + ONE_MORE.format(name="first")),
        "mine": before + ONE_MORE.format(name="last"),
    }.items():
        assert repository.call("git", "checkout", "-qb", name).returncode == 0
        pipeline.write_text(text)
        assert repository.call("dvc", "repro").returncode == 0
        repository.commit()
        if name == "theirs":
            assert repository.call("git", "checkout", "-q", "-").returncode == 0
    shutil.rmtree(repository.folder / ".dvc/cache/runs")  # what was not pushed, in the clone of another
    repository.ran()
    assert repository.call(*GIT, "merge", "theirs").returncode != 0


@pytest.mark.parametrize("attributes", [True, False], ids=["as the repository has it", "with lines of both"])
def test_locks_of_two_branches_are_refused_then_merged_stage_by_stage(done: Toy, attributes: bool) -> None:
    if attributes:
        shutil.copy(ROOT / ".gitattributes", done.folder)
    in_the_middle_of_a_merge(done)
    lock = done.folder / "dvc.lock"
    conflict = lock.read_text()
    assert ("<<<<<<<" in conflict) != attributes
    for command in (["repro"], ["sweep", "-S", "value=2"]):
        assert "git has not finished a merge, and stages would run on files of two branches: dvc.lock." in done.run(
            *command, code=1
        )
    assert lock.read_text() == conflict
    lock.write_text("")  # git still lists it
    with pytest.raises(UserError, match=r"dvc\.lock has merge conflicts: call `sedlib repair`"):
        repaired(done)
    assert "dvc.lock: merged stage by stage, 1 entries are the other branch's\n" in done.run("repair")
    assert goes_on(done)
    done.commit()
    assert done.call("git", "status", "--porcelain").stdout == ""


def test_an_entry_that_both_branches_changed_is_ours_and_named(done: Toy) -> None:
    done.commit()
    for name, value in {"theirs": 2, "mine": 3}.items():
        assert done.call("git", "checkout", "-qb", name).returncode == 0
        (done.folder / "params.yaml").write_text(f"value: {value}\n")
        assert done.call("dvc", "repro", "half").returncode == 0
        done.commit()
        if name == "theirs":
            assert done.call("git", "checkout", "-q", "-").returncode == 0
    assert done.call(*GIT, "merge", "theirs").returncode != 0
    refused = done.run("repro", code=1)
    assert "params.yaml" in refused
    text = done.run("repair")
    assert "0 entries are the other branch's; where both changed one, that of git's ours is kept: half@left" in text
    assert "value: 3" in (done.folder / "dvc.lock").read_text()
    assert "git has not finished a merge" in done.run("repro", code=1)  # params.yaml is left to whoever merges


def test_a_lock_that_one_branch_removed_is_left_to_whoever_merges(done: Toy) -> None:
    in_the_middle_of_a_merge(done)
    index = done.call("git", "ls-files", "--unmerged", "dvc.lock").stdout.splitlines()[:2]  # base and ours
    done.call("git", "rm", "-q", "--cached", "dvc.lock")
    done.call("bash", "-c", f"printf '{index[0]}\n{index[1]}\n' | git update-index --index-info")
    assert "dvc.lock was changed by one branch and removed by the other" in done.run("repair", code=1)


def test_marks_of_conflicts_that_were_committed_are_refused(done: Toy) -> None:
    in_the_middle_of_a_merge(done)
    conflict = (done.folder / "dvc.lock").read_text()
    done.commit()  # by mistake
    with pytest.raises(UserError, match="has the marks of merge conflicts, and git takes it for merged"):
        repaired(done)
    assert (done.folder / "dvc.lock").read_text() == conflict


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
        ".dvc/tmp/rwlock was broken by a crash: removed",
        "dvc.lock was broken by a crash: removed; the run-cache has what is missing",
        "none of DVC's own files is broken; `dvc repro` goes on",
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
    assert "was broken by a crash: removed, its stage runs again" in repaired(done)
    assert done.call("dvc", "repro").returncode == 0


def test_a_cache_of_another_user_is_refused_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "files/md5").mkdir(parents=True)
    refuse_read_only(tmp_path)
    monkeypatch.setattr(os, "access", lambda path, mode: "md5" not in str(path))  # the owner of all may be root
    with pytest.raises(UserError, match=r"files/md5 is not writable for you.*dvc cache dir --local FOLDER"):
        refuse_read_only(tmp_path)
