"""What each stage took when `sedlib repro` or `sweep` computed it last: a table on which nothing depends.

It is no output of a stage, as equal results must have equal bytes and no two runs take equally long.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from pathlib import Path

from sedlib.base.atomic import replacing
from sedlib.base.errors import UserError, listed, quoted
from sedlib.base.progress import say
from sedlib.cluster.plan.jobs import Settled

TABLE = Path(".dvc/tmp/sedlib/stage_runs.csv")
"""Table of what was computed in this clone."""
DAMAGED = TABLE.with_name("stage_runs.damaged.csv")
"""What such a table is called that is no longer read."""
KEPT = Path("reports/costs.csv")
"""Table that git keeps, of the run whose results git has."""
MOST = 2**53
"""Minutes, MiB or threads that nothing takes; NaN is no smaller."""
NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
"""As the table has numbers; Python reads other texts as numbers, too."""
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


COLUMNS = tuple(StageRun.__dataclass_fields__)


def start(root: Path) -> None:
    """Leave one row of each stage in this clone's table, and move a damaged one away, so that rows can be added."""
    try:
        rows = read(root / TABLE)
    except (OSError, ValueError) as error:
        (root / TABLE).replace(root / DAMAGED)
        say(f"{TABLE} is damaged ({quoted(str(error))}): it is {DAMAGED} now, and what stages take is noted anew")
        rows = {}
    _write(root / TABLE, rows)


def record(root: Path, done: Settled) -> None:
    """Add the row of a stage that was computed now, while the others still run.

    The table is not written anew, which would take ever longer where thousands of stages run.
    """
    if new := _row(done):
        with (root / TABLE).open("a", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerow(astuple(new))


def keep(root: Path) -> int:
    """Bring the rows of this clone into the table that git keeps, beside those of others; how many are new or other.

    Raises
    ------
    UserError
        The table that git keeps is damaged.
    """
    kept, here = _kept(root), _of_clone(root)
    changed = sum(kept.get(name) != run for name, run in here.items())
    if changed:
        _write(root / KEPT, kept | here)
    return changed


def known(root: Path) -> dict[str, StageRun]:
    """What this clone knows of every stage: what it computed itself, else what git keeps.

    Raises
    ------
    UserError
        The table that git keeps is damaged.
    """
    return _kept(root) | _of_clone(root)


def read(path: Path) -> dict[str, StageRun]:
    """The table in a file by stage, the last row of each; nothing where there is none.

    Raises
    ------
    ValueError, OSError
        It is damaged, or cannot be read.
    """
    if not path.exists() and not path.is_symlink():
        return {}
    return {run.stage: run for run in _parsed(path.read_text(encoding="utf-8"))}


def _of_clone(root: Path) -> dict[str, StageRun]:
    """The table of this clone; a damaged one has no rows, and says so: no stage need wait for costs."""
    try:
        return read(root / TABLE)
    except (OSError, ValueError) as error:
        say(f"{TABLE} is damaged ({quoted(str(error))}): what stages took in this clone is not counted")
        return {}


def _kept(root: Path) -> dict[str, StageRun]:
    try:
        runs = _parsed((root / KEPT).read_text(encoding="utf-8"))
        stages = Counter(run.stage for run in runs)
        if twice := [stage for stage, count in stages.items() if count > 1]:
            raise ValueError(f"more than one row of {listed(twice)}")
        return {run.stage: run for run in runs}
    except (OSError, ValueError) as error:
        if isinstance(error, FileNotFoundError) and not (root / KEPT).is_symlink():
            return {}
        raise UserError(
            f"{KEPT}: expected the costs of stages, a row for each, found {quoted(str(error))}; restore it with "
            f"git checkout {KEPT}, in a merge with git checkout --ours {KEPT}"
        ) from error


def _write(path: Path, rows: Mapping[str, StageRun]) -> None:
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(astuple(rows[name]) for name in sorted(rows))


def _parsed(text: str) -> list[StageRun]:
    """The rows; a ValueError where the text is no such table."""
    try:
        head, *rows = csv.reader(text.splitlines()) if text else [[]]
    except csv.Error as error:
        raise ValueError(str(error)) from error
    if tuple(head) != COLUMNS:
        raise ValueError(f"the columns {', '.join(head)}")
    return [_stage_run(row) for row in rows]


def _stage_run(row: list[str]) -> StageRun:
    if len(row) != len(COLUMNS):
        raise ValueError(f"a row of {len(row)} values: {', '.join(row)}")
    stage, minutes, core_minutes, peak_mib, threads, processor, versions = row
    if not stage or not "".join(row).isprintable() or not all(map(NUMBER.fullmatch, row[1:5])):
        raise ValueError(f"texts or numbers that nothing here writes: {', '.join(row)}")
    run = StageRun(stage, float(minutes), float(core_minutes), int(peak_mib), int(threads), processor, versions)
    if not all(0 <= value < MOST for value in (run.minutes, run.core_minutes, run.peak_mib, run.threads)):
        raise ValueError(f"what nothing takes: {', '.join(row)}")
    return run


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
