"""Snapshots of a computation that takes no time: what is kept, what is refused, and when they go."""

import math
import os
import random
import time
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock

from sedlib.base.errors import UserError
from sedlib.pipeline.resume import old_snapshots, snapshot_folder, snapshots
from sedlib.pipeline.resume.kept_states import copied, copy_into, read_content, states_in, write_states
from sedlib.pipeline.resume.old_snapshots import FINISHED, remove_old_snapshots, snapshots_folder
from sedlib.pipeline.resume.resumable import resumed, tracked
from sedlib.pipeline.resume.snapshot_folder import snapshots_of
from sedlib.pipeline.resume.snapshots import Snapshots

CPU = torch.device("cpu")
STEPS = 30


class Walk:
    """A random walk that gives its place at every third step."""

    def __init__(self) -> None:
        self.step, self.place = 0, torch.zeros(3)
        self.draws = torch.Generator().manual_seed(0)

    @property
    def is_over(self) -> bool:
        return self.step >= STEPS

    def advance(self) -> list[float] | None:
        self.step += 1
        self.place += torch.randn(3, generator=self.draws)
        return None if self.step % 3 else self.place.tolist()

    def state_dict(self) -> dict[str, Any]:
        return {"step": self.step, "place": self.place, "draws": self.draws.get_state()}

    def load_state_dict(self, state: Any) -> None:
        self.step = state["step"]
        copy_into(self.place, state["place"])
        self.draws.set_state(state["draws"])

    def record(self, item: list[float]) -> dict[str, Any]:
        return {"place": torch.tensor(item)}

    def replay(self, record: Any) -> list[float]:
        return record["place"].tolist()


WHOLE = list(resumed(Walk(), None))


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda _: None)


def stopped(folder: Path, items: int, seconds: float = 0.0) -> None:
    """Snapshots of a walk that was killed after so many items."""
    kept = Snapshots(folder, "walk", seconds)
    list(islice(resumed(Walk(), kept), items))
    kept.close()


def states(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.state.*"))


@pytest.mark.parametrize("items", range(1, 11))
def test_a_computation_goes_on_wherever_it_was_stopped(tmp_path: Path, items: int) -> None:
    stopped(tmp_path, items)
    kept = Snapshots(tmp_path, "walk", 0.0)
    assert kept.count == items - 1  # the state is kept when the next item is asked for
    assert list(resumed(Walk(), kept)) == WHOLE


def test_it_goes_on_from_what_went_on(tmp_path: Path) -> None:
    for items in (2, 5, 5, 9):
        stopped(tmp_path, items)
    assert list(resumed(Walk(), Snapshots(tmp_path, "walk", 0.0))) == WHOLE


def test_records_are_written_before_their_state_is_due_where_they_take_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "BYTES_OF_RECORDS", 1)
    kept = Snapshots(tmp_path, "walk", math.inf)
    walk, items = Walk(), iter(WHOLE)
    for _ in range(2):
        kept.add(walk.record(next(items)))
    walk.step = 7
    kept.keep(walk.state_dict())
    kept.add(walk.record(next(items)))
    kept.close()
    assert sorted(path.name.rpartition(".")[0] for path in tmp_path.iterdir()) == [
        *("000001.records", "000002.records", "000003.state", "000004.records"),
    ]
    again = Snapshots(tmp_path, "walk", math.inf)
    assert [record["place"].tolist() for record in again.records()] == WHOLE[:2]
    assert not list(tmp_path.glob("000004.*"))  # it comes again


DAMAGES = {
    "a bit flipped": lambda content, choices: _flipped(content, choices),
    "cut": lambda content, choices: content[: choices.randrange(len(content))],
    "zeroed": lambda content, choices: bytes(len(content)),
    "empty": lambda content, choices: b"",
}


def _flipped(content: bytes, choices: random.Random) -> bytes:
    place = choices.randrange(len(content))
    return content[:place] + bytes([content[place] ^ 1 << choices.randrange(8)]) + content[place + 1 :]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", ["state", "records"])
def test_a_damaged_file_is_never_used(
    tmp_path: Path, kind: str, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for round_ in range(5):
        folder = tmp_path / str(round_)
        folder.mkdir()
        stopped(folder, 6)
        choices = random.Random(round_)
        victim = choices.choice(sorted(folder.glob(f"*.{kind}.*")))
        victim.write_bytes(DAMAGES[damage](victim.read_bytes(), choices))
        assert list(resumed(Walk(), Snapshots(folder, "walk", 0.0))) == WHOLE
        assert f"walk: {victim} is damaged and not used" in capsys.readouterr().err


def test_without_a_whole_state_it_starts_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stopped(tmp_path, 4)
    for path in states(tmp_path):
        path.write_bytes(b"something else")
    kept = Snapshots(tmp_path, "walk", 0.0)
    assert kept.state is None
    assert "it starts anew" in capsys.readouterr().err
    assert list(resumed(Walk(), kept)) == WHOLE


def test_a_half_written_file_is_removed_without_a_word(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stopped(tmp_path, 4)
    (tmp_path / "000099.state.tmp").write_bytes(b"half")
    assert list(resumed(Walk(), Snapshots(tmp_path, "walk", 0.0))) == WHOLE
    assert capsys.readouterr().err == ""
    assert not list(tmp_path.glob("*.tmp"))


def test_a_file_that_changes_between_looks_is_refused(tmp_path: Path) -> None:
    stopped(tmp_path, 4)
    kept = Snapshots(tmp_path, "walk", 0.0)
    next(iter(tmp_path.glob("*.records.*"))).write_bytes(b"other")
    with pytest.raises(UserError, match="was changed while it was in use"):
        list(kept.records())


def test_states_come_back_as_they_were(tmp_path: Path) -> None:
    state: dict[str, Any] = {
        "numbers": [1, 2.5, math.inf, -0.0, None, "text"],
        "tensors": {"matrix": torch.randn(3, 4).T, "scalar": torch.tensor(2.0), "whole": torch.arange(3)},
        "none": torch.zeros(0),
    }
    kept = copied(state)
    state["tensors"]["whole"].zero_()
    found, empty = states_in(read_content(write_states(tmp_path, "some", [kept, copied({})])) or b"")
    assert empty == {}
    assert found["numbers"] == state["numbers"]
    assert math.copysign(1, found["numbers"][3]) == -1
    assert found["tensors"]["whole"].tolist() == [0, 1, 2]
    assert found["tensors"]["matrix"].stride() == (1, 4)
    assert torch.equal(found["tensors"]["matrix"], state["tensors"]["matrix"])
    assert found["tensors"]["scalar"].shape == ()


def test_what_is_neither_a_tensor_nor_json_is_not_kept() -> None:
    with pytest.raises(TypeError, match="expected a tensor or JSON in a state, got set"):
        copied({"a": {1}})


def test_a_tensor_of_another_shape_or_dtype_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected torch.float32 \(3,\) in a snapshot, found torch.float64 \(1,\)"):
        copy_into(torch.zeros(3), torch.zeros(1, dtype=torch.float64))


def test_progress_says_from_which_step_it_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stopped(tmp_path, 5)
    found = list(tracked(Walk(), Snapshots(tmp_path, "walk", 0.0), 10, "walk", lambda item: ""))
    assert found == WHOLE
    assert "walk, from step 14 on: 4/10 exist already" in capsys.readouterr().err


def test_a_full_disk_ends_the_keeping_and_not_the_computation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    assert list(resumed(Walk(), Snapshots(tmp_path, "walk", 0.0))) == WHOLE
    assert capsys.readouterr().err.count("no more snapshots are kept") == 1
    assert not list(tmp_path.iterdir())


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A stage script of known code, in the working directory."""
    for folder in ("stages", "artifacts/code"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "artifacts/code/walk.txt").write_text("code\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEDLIB_SNAPSHOT_SECONDS", "0")
    return str(tmp_path / "stages/walk.py")


def walked(script: str, items: int = 99, parameters: str = "a", name: str = "walk") -> list[list[float]]:
    """What a stage gives that raises after so many items."""
    found: list[list[float]] = []
    with snapshots_of(name, script, {"length": parameters}, CPU) as kept:
        for item in resumed(Walk(), kept):
            found.append(item)
            if len(found) == items:
                raise InterruptedError
    return found


def test_snapshots_stay_on_an_error_and_go_some_time_after_success(script: str) -> None:
    with pytest.raises(InterruptedError):
        walked(script, 4)
    (folder,) = snapshots_folder().iterdir()
    assert states(folder)
    assert walked(script) == WHOLE
    remove_old_snapshots()
    assert walked(script, name="beside") == WHOLE
    assert folder.exists()
    then = time.time() - old_snapshots.SECONDS_AFTER_THE_END - 1
    os.utime(folder / FINISHED, (then, then))
    remove_old_snapshots()
    assert not folder.exists()
    assert list(snapshots_folder().glob("beside-*"))


def test_a_finished_computation_whose_dvc_was_killed_gives_all_again(
    script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert walked(script) == WHOLE
    with monkeypatch.context() as patched:
        patched.setattr(Walk, "advance", lambda self: pytest.fail("it computes"))
        assert walked(script) == WHOLE
    assert (next(snapshots_folder().iterdir()) / FINISHED).exists()


def test_other_parameters_or_code_do_not_go_on_and_it_is_said(
    script: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InterruptedError):
        walked(script, 4)
    (folder,) = snapshots_folder().iterdir()
    walked(script, parameters="b")
    walked(script, name="walk-2")
    walked(script, parameters="c")
    line = f"walk: the snapshot in {folder} is not used, as it is of another length\n"
    assert capsys.readouterr().err == 2 * line
    Path("artifacts/code/walk.txt").write_text("other\n")
    walked(script)
    assert "of another code\n" in capsys.readouterr().err
    monkeypatch.setattr(torch, "__version__", "1.0")
    walked(script)
    assert "of another code, torch\n" in capsys.readouterr().err
    assert states(folder)


def test_nothing_is_kept_of_unknown_code(script: str) -> None:
    Path("artifacts/code/walk.txt").unlink()
    assert walked(script) == WHOLE
    assert not snapshots_folder().exists()


def test_another_process_with_the_same_snapshots_keeps_them(
    script: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InterruptedError):
        walked(script, 4)
    (folder,) = snapshots_folder().iterdir()
    monkeypatch.setattr(snapshot_folder, "SECONDS_FOR_ANOTHER_TO_END", 0)
    with FileLock(folder / "lock"):
        assert walked(script) == WHOLE
    assert "another process keeps its snapshots" in capsys.readouterr().err
    assert states(folder)


def test_what_nobody_came_back_to_goes(script: str) -> None:
    for items, parameters in ((4, "a"), (4, "b")):
        with pytest.raises(InterruptedError):
            walked(script, items, parameters)
    old, young = snapshots_folder().iterdir()
    then = time.time() - old_snapshots.SECONDS_WITHOUT_A_CHANGE - 1
    os.utime(old, (then, then))
    remove_old_snapshots()
    assert list(snapshots_folder().iterdir()) == [young]


@pytest.mark.parametrize("inside", [".dvc/tmp/sedlib/run-a/host-1/clone", ".dvc/tmp/exps/standalone/b/sub"])
def test_throw_away_clones_keep_theirs_in_the_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: str
) -> None:
    (tmp_path / inside).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / inside)
    assert snapshots_folder() == tmp_path / "artifacts/snapshots"
    monkeypatch.setenv("SEDLIB_SNAPSHOTS", "/elsewhere")
    assert snapshots_folder() == Path("/elsewhere")


@pytest.mark.parametrize("seconds", ["-1", "soon", "nan"])
def test_seconds_that_are_none_are_refused(script: str, monkeypatch: pytest.MonkeyPatch, seconds: str) -> None:
    monkeypatch.setenv("SEDLIB_SNAPSHOT_SECONDS", seconds)
    with pytest.raises(UserError, match="SEDLIB_SNAPSHOT_SECONDS must be a number of seconds, 0 or more"):
        walked(script)
