"""Minutes of the targets of the Makefile in a fresh clone: python -m benchmarks.fresh_clone [--targets demo test].

Set-up comes first, from what pip has in its cache or fetches; each target is timed by the clock, and by the processor
time of all that it starts.
"""

import argparse
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.page import ROOT
from benchmarks.timing import cpu_seconds

SET_UP = ".venv/.ready"


def made(clone: Path, target: str) -> str:
    """Cells of the table: minutes, and minutes of the processor."""
    start = time.perf_counter()
    used = cpu_seconds(clone, "make", target)
    return f"{(time.perf_counter() - start) / 60:.1f} | {used / 60:.1f}"


def main(targets: list[str]) -> None:
    """Print the table."""
    print("| `make` | minutes | core minutes |\n|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="sedlib-fresh-") as folder:
        clone = Path(folder, "clone")
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        for target in (SET_UP, *targets):
            print(f"| {'set-up, once' if target == SET_UP else target} | {made(clone, target)} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", nargs="+", default=["demo", "test"])
    main(parser.parse_args().targets)
