"""What users of DVC do beside the recipes, by real DVC: a push that is interrupted, a clean-up beside a queue."""

import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.clone import ALL, Clone, names
from tests.tiny import TINY
from tests.toy import Toy, toy, until

pytestmark = pytest.mark.slow

FILES, SIZE = 300, 200_000
"""So many that a push takes a second."""
WORKERS_END = 120.0


@pytest.fixture
def fresh(tmp_path: Path) -> Toy:
    return toy(tmp_path)


def objects(remote: Path) -> set[str]:
    return {"".join(path.parts[-2:]) for path in (remote / "files/md5").glob("*/*") if len(path.name) >= 30}


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_push_goes_on_and_another_gets_every_byte(
    fresh: Toy, tmp_path: Path, signum: signal.Signals
) -> None:
    many, remote = fresh.folder / "many", tmp_path / "remote"
    many.mkdir()
    for number in range(FILES):
        (many / f"{number}").write_bytes(number.to_bytes(2, "big") * (SIZE // 2))
    for command in ("dvc add -q many", f"dvc remote add -d there {remote}", "dvc remote modify there verify true"):
        assert fresh.call(*command.split()).returncode == 0
    fresh.commit()
    push = subprocess.Popen(
        ["dvc", "push", "-j", "1"],
        cwd=fresh.folder,
        env=fresh.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until(lambda: bool(objects(remote)) or push.poll() is not None, "the push has begun", pause=0.001)
    push.send_signal(signum)
    assert push.wait() != 0
    sent = objects(remote)
    assert 0 < len(sent) < FILES
    again = fresh.call("dvc", "push")
    assert again.returncode == 0, again.stderr
    assert len(objects(remote)) == FILES + 1  # and the folder's listing

    other = Clone(tmp_path / "other")
    assert fresh.call("git", "clone", "-q", str(fresh.folder), str(other.folder)).returncode == 0
    assert other.call("dvc", "pull", "many.dvc").returncode == 0
    for path in many.iterdir():
        assert (other.folder / "many" / path.name).read_bytes() == path.read_bytes()


def test_a_clean_up_beside_a_queue_takes_nothing_that_the_queue_cannot_make_again(fresh: Toy) -> None:
    assert fresh.repro() != []
    fresh.commit()
    assert fresh.call("dvc", "exp", "run", "--queue", "-S", "value=2").returncode == 0
    assert fresh.call("dvc", "gc", "--all-commits", "--all-experiments", "--force").returncode == 0
    fresh.ran()
    assert fresh.call("dvc", "queue", "start").returncode == 0
    try:
        until(lambda: "Success" in status(fresh) or "Failed" in status(fresh), "the experiment ends", WORKERS_END)
        assert "Success" in status(fresh)
    finally:
        fresh.call("dvc", "queue", "stop", "--kill")
        until(lambda: fresh.processes() == set(), "the queue's worker ends", WORKERS_END)
    assert {"left", "right", "both"} <= set(fresh.ran())
    assert fresh.repro() == []


def status(fresh: Toy) -> str:
    time.sleep(0.5)
    return re.sub(r"Worker status:.*", "", fresh.call("dvc", "queue", "status").stdout)


def test_a_renamed_run_is_another_run_and_the_old_name_has_its_results_still(clone: Clone) -> None:
    renamed = {"add-one": TINY["runs"]["add-1"]}
    clone.set(runs=renamed)
    assert set(clone.planned()) >= set(names(ALL, "add-one"))
    assert not [stage for stage in clone.planned() if "add-1" in stage]
    clone.set()
    assert clone.planned() == []
