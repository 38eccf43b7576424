"""A DVC repository whose stages take no time, fail or wait as a test says."""

import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.clone import Clone
from tests.imports import ROOT

# left and right feed both; alone depends on nothing of them; report, in git as the paper's, is left to the last repro.
PIPELINE = """
stages:
  half:
    matrix: {side: [left, right]}
    cmd: sh stage.sh ${item.side} out/${item.side}.txt ${value} source.txt
    deps: [stage.sh, source.txt]
    params: [value]
    outs: ["out/${item.side}.txt"]
  both:
    cmd: sh stage.sh both out/both.txt 0 out/left.txt out/right.txt
    deps: [stage.sh, out/left.txt, out/right.txt]
    outs: [out/both.txt]
  alone:
    cmd: sh stage.sh alone out/alone.txt 0 source.txt
    deps: [stage.sh, source.txt]
    outs: [out/alone.txt]
  report:
    cmd: cat out/both.txt out/alone.txt > report.txt
    deps: [out/both.txt, out/alone.txt]
    outs: [report.txt: {cache: false, persist: true}]
"""
# $TOY is a folder in which a test says what a stage does, and sees that it does it. An inner process does the work.
SCRIPT = """
name=$1; out=$2; value=$3; shift 3
echo "$name ${OMP_NUM_THREADS:-unset}" >> "$TOY/ran"
if [ -e "$TOY/$name.fails" ]; then echo "boom in $name"; exit 3; fi
mkdir -p out
sh -c 'echo $$ > "$TOY/$0.started"; while [ -e "$TOY/$0.waits" ]; do sleep 0.05; done' "$name"
echo "$name: 1/1 accuracy 100%"
{ echo "$name $value"; cat "$@"; } > "$out"
"""
STAGES = ["alone", "both", "left", "right"]


@dataclass(frozen=True)
class Toy(Clone):
    """The repository, with the folder that steers its stages."""

    @property
    def steering(self) -> Path:
        return self.folder.parent / "steering"

    def environment(self, **variables: str) -> dict[str, str]:
        return super().environment(**{"TOY": str(self.steering), "PYTHONPATH": str(ROOT), **variables})

    def processes(self) -> set[int]:
        """Everything alive that a command in this repository started."""
        mark = f"TOY={self.steering}".encode()
        found = set()
        for path in Path("/proc").glob("[0-9]*/environ"):
            with suppress(OSError):
                if mark in path.read_bytes().split(b"\0"):
                    found.add(int(path.parent.name))
        return found

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """A sedlib command in a process group of its own, as a terminal gives it one."""
        return subprocess.Popen(
            ["sedlib", *arguments],
            cwd=self.folder,
            env=self.environment(**variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, code: int = 0, **variables: str) -> str:
        process = self.start(*arguments, **variables)
        text, _ = process.communicate()
        assert process.returncode == code, text
        return text

    def let(self, name: str, what: str, so: bool = True) -> None:
        """Let the stage ``name`` wait or fail, or no more."""
        path = self.steering / f"{name}.{what}"
        path.touch() if so else path.unlink()
        (self.steering / f"{name}.started").unlink(missing_ok=True)

    def ran(self) -> list[str]:
        """Stages that ran since the last call."""
        path = self.steering / "ran"
        found = sorted(line.split()[0] for line in path.read_text().splitlines()) if path.exists() else []
        path.unlink(missing_ok=True)
        return found

    def wait_for(self, name: str) -> int:
        """Process id inside the stage ``name``, once it runs."""
        path = self.steering / f"{name}.started"
        until(lambda: path.exists() and path.read_text().strip() != "", f"{name} starts")
        pid = int(path.read_text())
        path.unlink()
        return pid

    def kept(self) -> int:
        """How many results the run-cache holds."""
        return sum(path.suffix != ".tmp" for path in (self.folder / ".dvc/cache/runs").glob("*/*/*"))

    def content(self) -> str:
        return (self.folder / "report.txt").read_text()


def toy(folder: Path) -> Toy:
    """A committed one, with the folder that steers it, in ``folder``."""
    found = Toy(folder / "toy")
    found.folder.mkdir(parents=True)
    found.steering.mkdir()
    for name, text in {
        "dvc.yaml": PIPELINE,
        "stage.sh": SCRIPT,
        "source.txt": "source\n",
        "params.yaml": "value: 1\n",
        ".gitignore": "/out\n",
    }.items():
        (found.folder / name).write_text(text)
    for command in (["git", "init", "-q"], ["dvc", "init", "-q"], ["dvc", "config", "core.analytics", "false"]):
        assert found.call(*command).returncode == 0
    found.commit()
    return found


def until(condition: Callable[[], bool], what: str, seconds: float = 60, pause: float = 0.05) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(pause)
