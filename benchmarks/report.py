"""What the report takes from the committed results, and again when none changed: python -m benchmarks.report.

`stages/report.py` runs in a clone with the results unpacked: first without any figure, then again. A file is written
again if its time of change is new.
"""

import argparse
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.page import ROOT
from benchmarks.timing import cpu_seconds

FIGURES, KINDS = Path("reports/figures"), (".svg", ".png")


def times(folder: Path) -> dict[Path, int]:
    """When each file was written last."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def written(before: dict[Path, int], after: dict[Path, int]) -> list[Path]:
    """Files that are new, or have another time."""
    return [path for path, moment in after.items() if before.get(path) != moment]


def report(clone: Path) -> str:
    """Cells of the table: seconds, CPU seconds, files written, and figures drawn by their kind."""
    before, start = times(clone / "reports"), time.perf_counter()
    used = cpu_seconds(clone, "python", "stages/report.py")
    seconds = time.perf_counter() - start
    found = written(before, times(clone / "reports"))
    kinds = [sum(path.suffix == kind and path.is_relative_to(clone / FIGURES) for path in found) for kind in KINDS]
    return " | ".join([f"{seconds:.1f}", f"{used:.1f}", str(len(found)), *map(str, kinds)])


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(prefix="sedlib-report-") as folder:
        clone = Path(folder, "clone")
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        cpu_seconds(clone, "sedlib", "unpack", "--if-none")
        shutil.rmtree(clone / FIGURES)
        print("| | seconds | CPU seconds | files written | figures drawn as SVG | as PNG |\n|---|---|---|---|---|---|")
        for name in ("without any figure", "again, with nothing changed"):
            print(f"| {name} | {report(clone)} |", flush=True)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    main()
