"""Writes what `sedlib compare` finds into a file, and replaces no other file than one of its own."""

import re
from pathlib import Path

from sedlib.base.atomic import replacing
from sedlib.base.errors import UserError
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
    _require_free(target)
    text = compared(first, second)
    with replacing(target) as path:
        path.write_text(text, encoding="utf-8")


def _require_free(target: Path) -> None:
    if not target.parent.is_dir():
        raise UserError(f"the folder {target.parent} is missing; make it first")
    if target.exists() or target.is_symlink():
        begins = b""
        if target.is_file():
            with target.open("rb") as file:
                begins = file.read(LONGEST)
        if not BEGINS.match(begins):
            raise UserError(f"{target} exists and was not written by `sedlib compare`; choose another name")
