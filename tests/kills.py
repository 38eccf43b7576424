"""Rounds in which a worker, the scheduler or the client is killed at a random moment; then the command runs again.

`python -m tests.kills 50` does it on the tiny model; tests/test_cluster_kills.py, on stages that take no time.
"""

import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from ruamel.yaml import YAML

from tests.clone import Clone, copied
from tests.external import cluster
from tests.toy import until

TARGETS = ["bases@add-1"]
LONGEST_WAIT = 16.0


def play(clone: Clone, targets: list[str], expected: str, choices: random.Random, longest: float) -> str:
    """One round, in a fresh clone; what was done. ``expected`` is the dvc.lock of plain `dvc repro`.

    Entries alone are compared: DVC appends those that are new, so that what a killed call had recorded comes first.
    """
    victim = choices.choice(["worker", "scheduler", "client", "worker of the client", "client with its workers"])
    moment = choices.uniform(0, longest)
    with cluster(clone, clone.folder.parent / "cluster") as found:
        own = victim in ("worker of the client", "client with its workers")
        where = ["--workers", "2"] if own else ["--scheduler", found.address]
        client = subprocess.Popen(
            ["sedlib", "repro", *where, *targets],
            cwd=clone.folder,
            env=clone.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        time.sleep(moment)
        if "worker" in victim and victim != "client with its workers":
            above = [client.pid] if own else [nanny.pid for nanny in found.nannies]
            killed = _kill(choices.choice(workers) if (workers := _workers(above)) else None)
        else:
            killed = _kill(found.scheduler.pid if victim == "scheduler" else client.pid)
        printed, _ = client.communicate()
        if "worker" in victim and victim != "client with its workers":
            assert client.returncode == 0, printed.decode()
        until(lambda: not stages_running(clone), f"stages end: {stages_running(clone)}")
    again = clone.call("sedlib", "repro", "--workers", "2", *targets)
    assert again.returncode == 0, again.stdout + again.stderr
    assert _entries((clone.folder / "dvc.lock").read_text()) == _entries(expected)
    assert "up to date" in clone.call("dvc", "status", *targets).stdout
    until(lambda: not stages_running(clone), "nothing is left")
    done = "killed" if killed else "not there"
    return f"{victim} {done} after {moment:.1f} s; the client ended with {client.returncode}"


def _entries(lock: str) -> Any:
    return YAML(typ="safe").load(lock)


def _workers(above: list[int]) -> list[int]:
    """Worker processes that the processes ``above`` started; one that ends while it is looked at is none."""
    found = []
    for pid in above:
        with suppress(psutil.NoSuchProcess):
            for process in psutil.Process(pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    if "--multiprocessing-fork" in process.cmdline():
                        found.append(process.pid)
    return found


def _kill(pid: int | None) -> bool:
    with suppress(psutil.NoSuchProcess):
        if pid is not None:
            psutil.Process(pid).send_signal(signal.SIGKILL)
            return True
    return False


def stages_running(clone: Clone) -> list[list[str]]:
    """Command lines of processes in the clone, or in throw-away clones of it."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).is_relative_to(clone.folder):
                found.append(process.cmdline())
    return found


def main(rounds: int, seed: int = 0) -> None:
    """Play on the tiny model, and stop at the first round that goes wrong."""
    choices = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        fresh = copied(Path(name, "fresh"))
        shutil.copytree(fresh.folder, Path(name, "reference"))
        reference = Clone(Path(name, "reference"))
        reference.repro(*TARGETS)
        expected = (reference.folder / "dvc.lock").read_text()
        for number in range(1, rounds + 1):
            folder = Path(name, f"round-{number}")
            shutil.copytree(fresh.folder, folder / "sedlib")
            print(number, play(Clone(folder / "sedlib"), TARGETS, expected, choices, LONGEST_WAIT), flush=True)
            shutil.rmtree(folder)


if __name__ == "__main__":
    main(int(sys.argv[1]), *map(int, sys.argv[2:]))
