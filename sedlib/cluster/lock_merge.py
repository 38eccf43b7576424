"""Two branches' dvc.lock files as one, stage by stage, and the refusal to run stages before git's merge is done.

git merges lines. An entry of dvc.lock says which outputs a stage made of which inputs: one with lines of both branches
may say what never was, and DVC would believe it. So entries are taken whole.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from dvc.utils.serialize import dump_yaml, parse_yaml
from voluptuous import Invalid

from sedlib.base.atomic import replacing
from sedlib.base.errors import UserError
from sedlib.cluster.worker.snapshot import git

MOST_NAMED = 8
"""Files in a message."""
OURS, THEIRS = "2", "3"
Entries = Mapping[str, Any]
"""Entries of dvc.lock, by the name of the stage."""


def refuse_unmerged(root: Path) -> None:
    """Refuse to run stages on files that git lists as unmerged, which have lines of two branches.

    Raises
    ------
    UserError
        There are such files.
    """
    if names := list(dict.fromkeys(name for name, _ in _unmerged(root))):
        listed = ", ".join(names[:MOST_NAMED]) + (f" and {len(names) - MOST_NAMED} more" if names[MOST_NAMED:] else "")
        raise UserError(
            f"git has not finished a merge, and stages would run on files of two branches: {listed}. Keep the lines of "
            "both in params.yaml, call `sedlib repair` for dvc.lock, take either side of reports/, and `git add` them "
            "(docs/experiments.md, Merge)"
        )


def merge_locks(root: Path) -> Iterator[str]:
    """Write each unmerged dvc.lock with whole entries of either branch, `git add` it, and say what was done.

    Raises
    ------
    UserError
        A branch's file is none that DVC wrote.
    """
    blobs: dict[str, dict[str, str]] = {}
    for name, (number, blob) in _unmerged(root):
        if Path(name).name == "dvc.lock":
            blobs.setdefault(name, {})[number] = blob
    for name, sides in blobs.items():
        if not sides.keys() >= {OURS, THEIRS}:
            raise UserError(
                f"{name} was changed by one branch and removed by the other: `git add {name}` keeps it, "
                f"`git rm {name}` removes it"
            )
        base, ours, theirs = (_entries(root, name, sides.get(number)) for number in ("1", OURS, THEIRS))
        found = merged(base, ours, theirs)
        with replacing(root / name) as temporary:
            dump_yaml(str(temporary), {"schema": "2.0", "stages": found})
        git("add", "--", name, cwd=root)
        both = [stage for stage in ours if _changed_by_both(stage, base, ours, theirs)]
        yield _told(name, len([stage for stage in found if found[stage] != ours.get(stage)]), both)


def merged(base: Entries, ours: Entries, theirs: Entries) -> dict[str, Any]:
    """Each stage's entry from the branch that changed it; where both did, of the side that git calls ours.

    >>> merged({"a": 1, "b": 1}, {"a": 2, "b": 1}, {"a": 1, "b": 3, "c": 4})
    {'a': 2, 'b': 3, 'c': 4}
    """
    found = {}
    for stage in {**ours, **theirs}:
        side = theirs if ours.get(stage) == base.get(stage) else ours
        if stage in side:
            found[stage] = side[stage]
    return found


def _changed_by_both(stage: str, base: Entries, ours: Entries, theirs: Entries) -> bool:
    return ours.get(stage) != theirs.get(stage) and base.get(stage) not in (ours.get(stage), theirs.get(stage))


def _told(name: str, taken: int, both: list[str]) -> str:
    text = f"{name}: merged stage by stage, {taken} entries are the other branch's"
    if both:
        text += f"; where both changed one, that of git's ours is kept: {', '.join(both[:MOST_NAMED])}"
        text += f" and {len(both) - MOST_NAMED} more" if both[MOST_NAMED:] else ""
    return text


def _unmerged(root: Path) -> Iterator[tuple[str, tuple[str, str]]]:
    """Name of each file, with the number of a side and its blob."""
    for line in git("ls-files", "--unmerged", "-z", cwd=root).split("\0"):
        if line:
            head, name = line.split("\t", 1)
            _, blob, number = head.split(" ")
            yield name, (number, blob)


def _entries(root: Path, name: str, blob: str | None) -> Entries:
    if blob is None:
        return {}
    try:
        lock = COMPILED_LOCKFILE_SCHEMA(parse_yaml(git("cat-file", "blob", blob, cwd=root), name))
    except (DvcException, Invalid, ValueError) as error:
        raise UserError(f"a branch's {name} is not a lock that DVC wrote; take the other branch's: {error}") from error
    stages: Entries = lock.get("stages", {})
    return stages
