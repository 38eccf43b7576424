"""On which devices sedlib may compute: those that were tested, and those on which ``sedlib selftest`` passed.

What was tested stands in tested.json beside this file: a build is tested if each of its texts begins as a row there
says. It is data, so that another row makes no result stale. A selftest leaves a record for its build in the user's
cache folder, which is read once at the start of a stage. No torch.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sedlib.base.atomic import replacing
from sedlib.base.errors import UserError, in_one_line, quoted

TESTED = Path(__file__).with_suffix(".json")
TEXTS = ("device", "torch", "system", "library")
"""What a build is known by."""
SCHEMA = "sedlib.selftest/1"
"""Another number where a selftest finds what an older one did not: records of the older one no longer count."""
LONGEST_RECORD = 20_000
"""Bytes; a record of all routines' names has less."""


@dataclass(frozen=True)
class Record:
    """What the last selftest of a build left."""

    failed: tuple[str, ...]
    """Names of the routines that failed; none where it passed."""


class RecordError(ValueError):
    """A record is not what a selftest of this build writes."""


def require_tested(build: Mapping[str, str], device: str) -> None:
    """Refuse a device on which nothing is known to be right, and one on which something is known to be wrong.

    Raises
    ------
    UserError
        A selftest failed there, or none passed and the build is not among those that were tested.
    """
    command = f"sedlib selftest --device {device}"
    try:
        record, why = read_record(build), "no selftest passed here"
    except RecordError as error:
        record, why = None, str(error)
    if record and record.failed:
        raise UserError(
            f"device {device}: the last `{command}` failed on this device ({in_one_line(', '.join(record.failed))}): "
            "results would be wrong. Use another device (SEDLIB_DEVICE=cpu) or another build of PyTorch; after a "
            f"repair run `{command}` again"
        )
    if record is None and not is_tested(build):
        raise UserError(
            f"device {device}: sedlib was not tested on {described(build)}, and {why}. Some devices and builds compute "
            f"wrong numbers without an error. Run `{command}` once, which takes less than a minute: if it passes, "
            "stages run from then on. docs/machines.md has what was tested"
        )


def is_tested(build: Mapping[str, str]) -> bool:
    """Whether the tests passed on such a build."""
    return any(all(build[text].startswith(row[text]) for text in TEXTS) for row in known_builds())


def known_builds() -> list[dict[str, str]]:
    """The rows of tested.json: how the texts of a build begin, and what was tried."""
    return json.loads(TESTED.read_text(encoding="utf-8"))


def described(build: Mapping[str, str]) -> str:
    """A build in one line."""
    return in_one_line(f"{build['device']}, PyTorch {build['torch']}, {build['system']}, {build['library']}")


def record_path(build: Mapping[str, str]) -> Path:
    """Where the record of a build lies: in this user's cache folder, outside of every repository.

    Raises
    ------
    RecordError
        The user has no home folder.
    """
    from platformdirs import user_cache_path  # only here: nothing else of a stage needs it

    name = hashlib.sha256(json.dumps([build[text] for text in TEXTS]).encode()).hexdigest()[:16]
    path = user_cache_path("sedlib") / "selftest" / f"{name}.json"
    if not path.is_absolute():
        raise RecordError("you have no home folder for records; set XDG_CACHE_HOME to a folder that you can write")
    return path


def write_record(build: Mapping[str, str], failed: Sequence[str]) -> Path:
    """Keep what a selftest of this build found.

    Raises
    ------
    UserError
        The user has no home folder, or the file system refuses it.
    """
    try:
        path = record_path(build)
    except RecordError as error:
        raise UserError(f"the selftest's record cannot be kept: {error}") from error
    with replacing(path) as temporary:
        temporary.write_text(json.dumps({"schema": SCHEMA, "build": dict(build), "failed": list(failed)}, indent=2))
    return path


def read_record(build: Mapping[str, str]) -> Record | None:
    """What the last selftest of this build found; None where there was none.

    Raises
    ------
    RecordError
        The record is broken, of another build or of another version of the selftest.
    """
    path = record_path(build)
    if (content := _read(path)) is None:
        return None
    if len(content) > LONGEST_RECORD:
        raise RecordError(f"the record {path} is longer than {LONGEST_RECORD:,} bytes")
    try:
        found: Any = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"the record {path} is no JSON") from error
    if not isinstance(found, dict) or found.keys() != {"schema", "build", "failed"}:
        raise RecordError(f"the record {path} does not hold schema, build and failed alone")
    if found["schema"] != SCHEMA:
        raise RecordError(f"the record {path} is {quoted(found['schema'])}, not {SCHEMA!r} as this version writes it")
    if found["build"] != dict(build):
        raise RecordError(f"the record {path} is of another device or build")
    failed = found["failed"]
    if not isinstance(failed, list) or not all(isinstance(name, str) for name in failed):
        raise RecordError(f"the record {path} has no list of names as its failed routines")
    return Record(tuple(failed))


def _read(path: Path) -> bytes | None:
    try:
        if not path.is_file():  # also where a pipe lies, from which reading would wait for ever
            return None
        with path.open("rb") as file:
            return file.read(LONGEST_RECORD + 1)
    except OSError as error:
        raise RecordError(f"the record {path} cannot be read ({error.strerror})") from error
