"""A copy of the repository with the tiny parameters, and real DVC in it."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.imports import ROOT
from tests.tiny import TINY
from tests.warm import warmed

ANALYSIS = ["bases", "coupling", "figures"]
FOR_FIGURES = ["train", "dump", "bases", "centroids", "fourier", "coupling", "figures"]
TRAJECTORY, CURVATURE = "geometry/dvc.yaml:trajectory", "geometry/dvc.yaml:curvature"
GEOMETRY = [TRAJECTORY, CURVATURE]
ALL = [*FOR_FIGURES, *GEOMETRY]
CODE, REPORT = ["code"], ["report"]
"""What there is once, not for every run: the texts that others depend on, and what is made of all results."""


STARTED = ("python", "dvc", "sedlib", "bash")
OF_THE_RUN = ("dvc.lock", "results.tar.xz")
"""What the repository has of its own results."""


@dataclass(frozen=True)
class Clone:
    """A clone of the repository, with commands that run in it."""

    folder: Path

    def environment(self, **variables: str) -> dict[str, str]:
        return {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.folder),
            "SEDLIB_THREADS": "1",
            **variables,
        }

    def call(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; Python, DVC and sedlib start in no time (tests/warm)."""
        environment = self.environment(**variables)
        if command[0] in STARTED:
            environment = warmed(environment)
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)

    def commit(self) -> None:
        """Everything that git does not ignore."""
        for command in (["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "results"]):
            done = self.call("git", *command)
            assert done.returncode == 0, done.stdout + done.stderr

    def repro(self, *arguments: str, **variables: str) -> list[str]:
        """Stages that `dvc repro` executed, in order."""
        done = self.call("dvc", "repro", *arguments, **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        return re.findall(r"Running stage '(.*?)'", done.stdout)

    def planned(self, *targets: str) -> list[str]:
        """Stages that `sedlib plan` would run, once the code stage has."""
        done = self.call("sedlib", "plan", *targets)
        assert done.returncode == 0, done.stdout + done.stderr
        (listed,) = re.findall(r"^run:.*\n((?:  .*\n)*)", done.stdout, re.MULTILINE) or [""]
        return [line.split()[0] for line in listed.splitlines() if not line.startswith("  in all")]

    def set(self, **changes: Any) -> None:
        """Write params.yaml: the tiny parameters with one run, and changes."""
        values = {**TINY, "runs": {"add-1": TINY["runs"]["add-1"]}, **changes}
        (self.folder / "params.yaml").write_text(json.dumps(values, indent=1))


def copied(folder: Path) -> Clone:
    """The working tree, under git, with the tiny parameters and nothing computed."""
    clone = Clone(folder)
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    for name in listed:
        # Of the sweeps, whose runs are not among the tiny ones, `dvc status` would speak too.
        if (ROOT / name).is_file() and not name.startswith("sweeps/") and Path(name).name not in OF_THE_RUN:
            (clone.folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, clone.folder / name)
    clone.set()
    for command in (["init", "-q"], ["add", "."]):
        subprocess.run(["git", *command], cwd=clone.folder, check=True)
    return clone


def cloned(clone: Clone, folder: Path) -> Clone:
    """What another gets from git: no artifact, an empty cache."""
    subprocess.run(["git", "clone", "-q", str(clone.folder), str(folder)], check=True)
    assert [path.name for path in (folder / "artifacts").iterdir()] == ["README.md"]
    return Clone(folder)


def names(stages: list[str], run: str = "add-1") -> list[str]:
    return [f"{stage}@{run}" for stage in stages]
