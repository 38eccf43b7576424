"""How long DVC's locks are: python -m benchmarks.lock_lines.

Nothing is measured. The column "before" is from when each stage listed its code itself and all stages of the paper
shared one lock.
"""

import argparse
from pathlib import Path

from ruamel.yaml import YAML

from benchmarks.page import ROOT

PIPELINES = ("dvc.lock", "interventions/dvc.lock", "geometry/dvc.lock", "ablations/dvc.lock")
ELSEWHERE = ("sweeps/*/dvc.lock", "studies/*/dvc.lock")
BEFORE = {"dvc.lock": 48_912, "sweeps/*/dvc.lock": 19_732}
"""Lines, when the root's lock had those of the folders beside it."""


def locks(root: Path, *patterns: str) -> list[Path]:
    """The locks at these paths."""
    return [path for pattern in patterns for path in sorted(root.glob(pattern))]


def lines(root: Path, *patterns: str) -> int:
    """Lines of all locks at these paths."""
    return sum(len(path.read_text().splitlines()) for path in locks(root, *patterns))


def stages(root: Path, *patterns: str) -> int:
    """Stages that the locks at these paths list."""
    return sum(len(YAML(typ="safe").load(path.read_text())["stages"]) for path in locks(root, *patterns))


def row(name: str, before: str, *patterns: str) -> str:
    """A line of the table."""
    return f"| {name} | {before} | {lines(ROOT, *patterns):,} | {stages(ROOT, *patterns):,} |"


def main() -> None:
    """Print the table."""
    print("| | lines before | lines now | stages |\n|---|---|---|---|")
    for pattern in (*PIPELINES, *ELSEWHERE):
        print(row(f"`{pattern}`", f"{BEFORE[pattern]:,}" if pattern in BEFORE else "", pattern))
    print(row("the first four", f"{BEFORE['dvc.lock']:,}", *PIPELINES))


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    main()
