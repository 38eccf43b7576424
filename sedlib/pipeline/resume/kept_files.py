"""What of a folder of snapshots can be used: files up to the last whole state, of which each is what was written."""

from dataclasses import dataclass, field
from pathlib import Path

from sedlib.base.progress import say
from sedlib.pipeline.resume.kept_states import State, read_content, states_in

UNREADABLE = (ValueError, KeyError, TypeError, EOFError)


@dataclass
class Kept:
    """A state, and the files of the records before it."""

    state: State | None = None
    count: int = 0
    """Records before the state."""
    number: int = 0
    """Of the state's file."""
    records: list[Path] = field(default_factory=list)


def last_kept(folder: Path, name: str) -> Kept:
    """The last state that can be used; whatever was written after it is removed, and said where it is damaged."""
    kept, records, damaged = Kept(), [], []
    for unfinished in folder.glob("*.tmp"):
        unfinished.unlink()
    files = sorted(folder.glob("[0-9]*.*.*"))
    for path in files:
        content = read_content(path)
        if content is None:
            damaged.append(path)
            if ".records." in path.name:
                break  # no later state can be used
        elif ".records." in path.name:
            records.append(path)
        elif not _take(content, kept):
            damaged.append(path)
        else:
            kept.number, kept.records = _number(path), list(records)
    for path in damaged + [path for path in files if _number(path) > kept.number]:
        path.unlink(missing_ok=True)
    if damaged:
        then = "the snapshot before it is used" if kept.state is not None else "it starts anew"
        say(f"{name}: {', '.join(map(str, damaged))} is damaged and not used: {then}")
    return kept


def _take(content: bytes, kept: Kept) -> bool:
    """Read a state; whether it is one."""
    try:
        (found,) = states_in(content)
        kept.state, kept.count = dict(found["state"]), int(found["count"])
    except UNREADABLE:
        return False
    return True


def _number(path: Path) -> int:
    return int(path.name.partition(".")[0])
