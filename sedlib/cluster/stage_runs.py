"""What each stage took when `sedlib repro` or `sweep` computed it last: a table on which nothing depends.

It is no output of a stage, as equal results must have equal bytes and no two runs take equally long.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sedlib.base.atomic import replacing
from sedlib.cluster.plan.jobs import Settled

TABLE = Path(".dvc/tmp/sedlib/stage_runs.csv")
"""Table of what was computed in this clone."""
KEPT = Path("reports/costs.csv")
"""Table that git keeps, of the run whose results git has."""
SHOWN_VERSIONS = ("Python", "torch", "numpy")


@dataclass(frozen=True)
class StageRun:
    """A row."""

    stage: str
    minutes: float
    core_minutes: float
    peak_mib: int
    threads: int
    processor: str
    versions: str


def record(root: Path, done: Settled) -> None:
    """Put a stage that was computed now in the place of its earlier row, while the others still run."""
    if new := _row(done):
        _write(root / TABLE, {**read(root / TABLE), new.stage: new})


def keep(root: Path) -> int:
    """Bring the rows of this clone into the table that git keeps, beside those of others; how many are new or other."""
    kept, here = read(root / KEPT), read(root / TABLE)
    changed = sum(kept.get(name) != run for name, run in here.items())
    if changed:
        _write(root / KEPT, kept | here)
    return changed


def known(root: Path) -> dict[str, StageRun]:
    """What this clone knows of every stage: what it computed itself, else what git keeps."""
    return read(root / KEPT) | read(root / TABLE)


def _write(path: Path, rows: dict[str, StageRun]) -> None:
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(StageRun.__dataclass_fields__)
        fields = StageRun.__dataclass_fields__
        writer.writerows([getattr(rows[name], field) for field in fields] for name in sorted(rows))


def read(path: Path) -> dict[str, StageRun]:
    """The table in a file by stage; nothing where there is none, or where it is damaged."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return {row["stage"]: _parsed(row) for row in csv.DictReader(file)}
    except (FileNotFoundError, KeyError, TypeError, ValueError):
        return {}


def _parsed(row: dict[str, str]) -> StageRun:
    return StageRun(
        row["stage"],
        float(row["minutes"]),
        float(row["core_minutes"]),
        int(row["peak_mib"]),
        int(row["threads"]),
        row["processor"],
        row["versions"],
    )


def _row(settled: Settled) -> StageRun | None:
    cost = settled.cost
    if cost is None or settled.name is None:
        return None
    stage = settled.name if settled.file == "dvc.yaml" else f"{settled.file}:{settled.name}"
    versions = " ".join(f"{name} {cost.versions[name]}" for name in SHOWN_VERSIONS if name in cost.versions)
    return StageRun(
        stage,
        round(cost.seconds / 60, 3),
        round(cost.cpu_seconds / 60, 3),
        round(cost.peak_bytes / 2**20),
        cost.threads,
        cost.processor,
        versions,
    )


def as_text(runs: Iterable[StageRun]) -> str:
    """The table for a terminal, the costliest first, with the sum of its core minutes."""
    rows = sorted(runs, key=lambda run: -run.core_minutes)
    width = max([len("stage"), *(len(run.stage) for run in rows)])
    lines = [f"{'stage':<{width}} {'minutes':>8} {'core min':>9} {'peak MiB':>9} {'threads':>8}  processor, versions"]
    lines += [
        f"{run.stage:<{width}} {run.minutes:>8.1f} {run.core_minutes:>9.1f} {run.peak_mib:>9} {run.threads:>8}  "
        f"{run.processor}, {run.versions}"
        for run in rows
    ]
    total = sum(run.core_minutes for run in rows)
    return "\n".join([*lines, f"{len(rows)} stages, {total:.1f} core minutes"])
