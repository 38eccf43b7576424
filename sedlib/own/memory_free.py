"""Bytes of memory that this process may still take: of the machine, of its container, and of its own limits."""

from collections.abc import Iterator
from pathlib import Path

import psutil

GROUPS, OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
"""Control groups of Linux, and the file that names this process's own."""


def memory_free(groups: Path = GROUPS, own: Path = OWN) -> int:
    """The least of what the machine has, what a container (cgroup) leaves, and what ``ulimit`` leaves.

    Examples
    --------
    >>> 0 < memory_free() <= psutil.virtual_memory().total
    True
    """
    return max(0, min([psutil.virtual_memory().available, *_of_groups(groups, own), *_of_limits()]))


def _of_groups(groups: Path, own: Path) -> Iterator[int]:
    """What the process's own group leaves, and what the groups around it leave, in version 2 and in version 1."""
    lines = own.read_text().splitlines() if own.exists() else []
    for line in lines:
        _, kinds, name = line.split(":", 2)
        root = groups / "memory" if kinds == "memory" else groups
        if kinds in ("", "memory"):
            folder = root / name.strip("/")
            yield from (
                left for place in (folder, *folder.parents) for left in _left(place) if root in (place, *place.parents)
            )


def _left(group: Path) -> Iterator[int]:
    """What a group leaves of its limit; memory of files that were read counts as free, as it is given back."""
    for most, now in (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")):
        try:
            limit, used = int((group / most).read_text()), int((group / now).read_text())
            given_back = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        except (OSError, ValueError):  # no such group, or no limit
            continue
        yield limit - used + int(given_back.get("total_inactive_file", given_back.get("inactive_file", 0)))


def _of_limits() -> Iterator[int]:
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return
    process = psutil.Process().memory_info()
    for kind, used in (
        (resource.RLIMIT_AS, process.vms),
        (resource.RLIMIT_DATA, getattr(process, "data", process.vms)),
    ):
        limit = resource.getrlimit(kind)[0]
        if limit != resource.RLIM_INFINITY:
            yield limit - used
