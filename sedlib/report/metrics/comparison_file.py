"""Writes what `sedlib compare` finds into a file, and replaces no other file than one of its own."""

import re
from pathlib import Path

from sedlib.base.atomic import replacing
from sedlib.base.commands.replaceable import require_replaceable
from sedlib.report.metrics.compared_sets import compared

BEGINS = re.compile(rb"`[^\n]+` / `[^\n]+`:\n")
"""The names of both folders, with which `compared` begins."""
LONGEST = 2000
"""Bytes in which they end."""


def write_comparison(first: Path, second: Path, target: Path) -> None:
    """Write the tables of two folders of results to ``target``.

    Raises
    ------
    UserError
        A folder has no results, or damaged ones, or the two have no run in common; or ``target`` is something else.
    """
    require_replaceable(target, _is_comparison, LONGEST, "was not written by `sedlib compare`")
    text = compared(first, second)
    with replacing(target) as path:
        path.write_text(text, encoding="utf-8")


def _is_comparison(begins: bytes) -> bool:
    return BEGINS.match(begins) is not None
