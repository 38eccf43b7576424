"""What DVC itself costs in a clone with everything in it: `python -m benchmarks.dvc_costs`.

The clone has the stages of the working tree, a tiny stand-in for what each writes, and complete dvc.lock files. CPU
seconds are those of a command and of what it starts, with as many lines of locks as the first line says. The column
"before" is from when each stage listed its code itself and all stages of the paper shared one lock.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from dvc.repo import Repo

from benchmarks.lock_lines import ELSEWHERE, PIPELINES, lines
from benchmarks.page import ROOT
from benchmarks.timing import cpu_seconds

FORCED = ("bases@add-42", "bases@mul-42")
"""Stages of the root that are run again."""

SECONDS = {
    "dvc status": (22, 6),
    "dvc repro figures@add-42, nothing to do": (None, 3),
    "sedlib repro, nothing to do": (77, 15),
    "a stage of dvc repro, beyond its work": (17, 3),
    "dvc repro of one stage, beyond its work": (None, None),
}
"""By the command: CPU seconds before, and at most."""

STAND_IN = """#!{python} -S
import json, os, sys

if sys.argv[1] == "stages/fingerprint.py":
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
with open({listing!r}) as listing:
    written = json.load(listing)
command = " ".join(["python", *sys.argv[1:]])
for path in sum(written.values(), []) if command == "python --all" else written[os.getcwd() + " " + command]:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(os.path.basename(path) + "\\n")
"""
"""In place of `python`: writes what a command would, or all; which code a stage uses is found out as ever."""


class StandIn:
    """The clone in ``folder``, and commands in it that find the stand-in first."""

    def __init__(self, folder: Path) -> None:
        self.clone, self._bin = folder / "clone", folder / "bin"
        self._variables = {"DVC_SITE_CACHE_DIR": str(folder / "site")}
        self._copy()
        self._install(folder / "written.json")
        self.cpu("python", "stages/fingerprint.py")
        self.cpu("python", "--all")
        self.cpu("dvc", "commit", "--force", "--quiet")
        self._commit()

    def cpu(self, *command: str) -> float:
        """CPU seconds of a command."""
        path = f"{self._bin}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        return cpu_seconds(self.clone, *command, PATH=path, **self._variables)

    def require_untouched(self) -> None:
        """Refuse what was called nothing to do, if it wrote something that git tracks."""
        changed = subprocess.check_output(["git", "status", "--short"], cwd=self.clone, text=True)
        if changed:
            raise RuntimeError(f"with nothing to do, these changed:\n{changed}")

    def _copy(self) -> None:
        """The working tree without its locks, under git."""
        listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for name in listed.splitlines():
            if (ROOT / name).is_file() and Path(name).name != "dvc.lock":
                (self.clone / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, self.clone / name)
        subprocess.run(["git", "init", "--quiet"], cwd=self.clone, check=True)
        self._commit()

    def _install(self, listing: Path) -> None:
        """List the files of every command as DVC sees them, and put the stand-in where commands look for `python`."""
        with Repo(str(self.clone)) as repo:
            stages = [(stage.cmd, stage.wdir, [Path(out.fs_path) for out in stage.outs]) for stage in repo.index.stages]
        written = {}
        for command, folder, outs in stages:
            files = [path if path.suffix else path / "stand-in.txt" for path in outs if not path.exists()]
            last = command[-1] if isinstance(command, list) else command
            if "fingerprint.py" not in last:
                written[f"{folder} {last}"] = [str(path) for path in files]
        listing.write_text(json.dumps(written))
        self._bin.mkdir()
        script = self._bin / "python"
        script.write_text(STAND_IN.format(python=sys.executable, listing=str(listing)))
        script.chmod(0o755)

    def _commit(self) -> None:
        name = ["-c", "user.name=a", "-c", "user.email=a@b"]
        for command in (["add", "."], [*name, "commit", "--quiet", "--message", "everything"]):
            subprocess.run(["git", *command], cwd=self.clone, check=True)


def seconds(stand_in: StandIn) -> list[float]:
    """What each of ``SECONDS`` takes."""
    status = stand_in.cpu("dvc", "status")
    figures = stand_in.cpu("dvc", "repro", "figures@add-42")
    everything = stand_in.cpu("sedlib", "repro")
    stand_in.require_untouched()
    work = stand_in.cpu("python", "stages/bases.py", "--run", "add-42")
    one, two = (stand_in.cpu("dvc", "repro", "--single-item", "--force", *FORCED[:count]) for count in (1, 2))
    return [status, figures, everything, two - one - work, one - work]


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(prefix="sedlib-dvc-costs-") as folder:
        stand_in = StandIn(Path(folder).resolve())
        found = seconds(stand_in)
        print(f"With {lines(stand_in.clone, *PIPELINES, *ELSEWHERE):,} lines in all locks:\n")
    print("| CPU seconds | before | now | at most |\n|---|---|---|---|")
    for (name, (before, limit)), now in zip(SECONDS.items(), found, strict=True):
        print(f"| {name} | {_cell(before)} | {now:.1f} | {_cell(limit)} |")


def _cell(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    main()
