"""Kills of one stage at random moments, on the tiny model; then plain `dvc repro`, and `sedlib repair` where it fails.

``python -m tests.stage_kills 60`` prints a line for each kill and the table. With ``--stage``, ``--signal`` and
``--victim`` it tries these alone. What a kill can come to:

========  ================================================================================================
harmless  the next `dvc repro` gives the bytes and locks of a run that nobody killed
clear     DVC refuses to go on, `sedlib repair` says what it repairs, and the next `dvc repro` gives them
lost      what a snapshot had was computed again
wrong     anything else: other bytes, a process that lives on, a file under a name where none should be
========  ================================================================================================
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle, islice, product
from pathlib import Path

import psutil

from tests.clone import Clone, copied
from tests.kills import stages_running
from tests.tiny import TINY

STAGES = {
    "train": "train@add-1",
    "dump": "dump@add-1",
    "bases": "bases@add-1",
    "coupling": "coupling@add-1",
    "intervene": "interventions/dvc.yaml:intervene@add-1-update-keep-sed",
}
"""In an order in which each finds what it needs."""
SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT")
VICTIMS = ("dvc", "stage", "group")
OUTCOMES = ("clear", "harmless", "lost", "wrong")
SECONDS_TO_END = 10.0
"""Of the stage, after its DVC is gone: two, and what it takes to import PyTorch on a busy machine."""
TRAINING = {"ops": ["add"], "seed": 1, "checkpoint_every": 50, "max_steps": 1500}
CONDITIONS = {"runs": ["add-1"], "conditions": ["keep-sed"], "projections": ["update"]}
VARIABLES = {"SEDLIB_SNAPSHOT_SECONDS": "0.3"}


@dataclass(frozen=True)
class Try:
    """One kill."""

    stage: str
    signal: str
    victim: str


@dataclass(frozen=True)
class Prepared:
    """A clone in which a stage is the next to run, what it gives, and how long it takes."""

    clone: Clone
    expected: dict[str, bytes]
    seconds: float


def prepared(folder: Path) -> Iterator[tuple[str, Prepared]]:
    """By stage; each is run once, undisturbed, in a clone where those before it were."""
    clone = copied(folder / "clone")
    clone.set(runs={"add-1": TRAINING}, interventions={**TINY["interventions"], **CONDITIONS})
    clone.repro("code", **VARIABLES)
    clone.commit()
    for stage, address in STAGES.items():
        before = Clone(folder / stage)
        shutil.copytree(clone.folder, before.folder, symlinks=True)
        start = time.monotonic()
        clone.repro("--single-item", address, **VARIABLES)
        yield stage, Prepared(before, results(clone), time.monotonic() - start)
        shutil.rmtree(clone.folder / "artifacts/snapshots", ignore_errors=True)


def results(clone: Clone) -> dict[str, bytes]:
    """Artifacts and locks."""
    files = [path for path in clone.folder.glob("artifacts/**/*") if path.is_file() and "snapshots" not in path.parts]
    locks = clone.folder.glob("**/dvc.lock")
    return {str(path.relative_to(clone.folder)): path.read_bytes() for path in [*files, *locks]}


def play(one: Try, ready: Prepared, folder: Path, choices: random.Random) -> tuple[str, str]:
    """Kill once, in a copy; the outcome, and what happened."""
    clone, longest = Clone(folder / "killed"), ready.seconds
    shutil.copytree(ready.clone.folder, clone.folder, symlinks=True)
    try:
        while (done := kill(clone, STAGES[one.stage], one, choices.uniform(0, longest))) is None:
            longest *= 0.8
            shutil.rmtree(clone.folder)
            shutil.copytree(ready.clone.folder, clone.folder, symlinks=True)
        until = time.monotonic() + SECONDS_TO_END
        while (left := stages_running(clone)) and time.monotonic() < until:
            time.sleep(0.05)
        done += f", all ended {SECONDS_TO_END - until + time.monotonic():.1f} s later"
        if left:
            return "wrong", f"{done}; still running: {left}"
        if (one.victim == "dvc" or one.signal != "SIGKILL") and (unfinished := leftovers(clone)):
            return "wrong", f"{done}; left: {unfinished}"
        return again(clone, one, ready, done)
    finally:
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if Path(process.cwd()).is_relative_to(clone.folder):
                    process.kill()
        shutil.rmtree(clone.folder)


def kill(clone: Clone, address: str, one: Try, moment: float) -> str | None:
    """Start DVC, and send the signal after a while; None where its victim was not there any more, or not yet."""
    dvc = subprocess.Popen(
        ["dvc", "repro", "--single-item", address],
        cwd=clone.folder,
        env=clone.environment(**VARIABLES),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    time.sleep(moment)
    signum = signal.Signals[one.signal]
    pid = _stage_below(dvc.pid) if one.victim == "stage" else dvc.pid
    if pid is None or dvc.poll() is not None:
        dvc.wait()
        return None
    with suppress(ProcessLookupError):
        os.killpg(pid, signum) if one.victim == "group" else os.kill(pid, signum)
    return f"{one.signal} to {one.victim} after {moment:.1f} s, DVC ended with {dvc.wait()}"


def _stage_below(dvc: int) -> int | None:
    """The process of the stage's script."""
    with suppress(psutil.NoSuchProcess):
        for process in psutil.Process(dvc).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if any("stages/" in word for word in process.cmdline()):
                    return process.pid
    return None


def leftovers(clone: Clone) -> list[str]:
    """Temporary files among the outputs."""
    found = clone.folder.glob("artifacts/**/*.tmp*")
    return [str(path.relative_to(clone.folder)) for path in found if "snapshots" not in path.parts]


def again(clone: Clone, one: Try, ready: Prepared, done: str) -> tuple[str, str]:
    """Run DVC once more."""
    kept = bool(list(clone.folder.glob("artifacts/snapshots/*/*.state.*")))
    command = ["dvc", "repro", "--single-item", STAGES[one.stage]]
    next_, outcome = clone.call(*command, **VARIABLES), "harmless"
    if next_.returncode:
        repaired = clone.call("sedlib", "repair")
        done += f"; {next_.stderr.strip().splitlines()[-1]}; {repaired.stderr.strip()}"
        next_, outcome = clone.call(*command, **VARIABLES), "clear"
    if next_.returncode:
        return "wrong", f"{done}; {next_.stdout}{next_.stderr}"
    if differing := [name for name, content in ready.expected.items() if results(clone).get(name) != content]:
        return "wrong", f"{done}; other bytes in {differing}"
    if "Running stage" in next_.stdout and kept and ", from step" not in next_.stderr:
        return "lost", done
    return outcome, done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kills", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stage", choices=STAGES, action="append")
    parser.add_argument("--signal", choices=SIGNALS, action="append")
    parser.add_argument("--victim", choices=VICTIMS, action="append")
    given = parser.parse_args()
    choices = random.Random(given.seed)
    kinds = given.stage or STAGES, given.signal or SIGNALS, given.victim or VICTIMS
    tries = [Try(*values) for values in product(*kinds)]
    choices.shuffle(tries)
    counts: Counter[tuple[str, str]] = Counter()
    with tempfile.TemporaryDirectory() as name:
        ready = dict(prepared(Path(name)))
        for number, one in enumerate(islice(cycle(tries), given.kills), start=1):
            outcome, happened = play(one, ready[one.stage], Path(name), choices)
            print(f"{number} {one.stage}: {outcome}: {happened}", flush=True)
            counts[one.stage, outcome] += 1
    print("\n| stage | tries | " + " | ".join(OUTCOMES) + " |\n|---|---|---|---|---|---|")
    for stage in [*STAGES, "all"]:
        row = [sum(n for (of, got), n in counts.items() if stage in (of, "all") and got == out) for out in OUTCOMES]
        print(f"| {stage} | {sum(row)} | " + " | ".join(map(str, row)) + " |")


if __name__ == "__main__":
    main()
