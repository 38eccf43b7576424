"""Refuses a script whose code is not what its code text says: DVC would take its results for those of the text."""

import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sedlib.base.errors import UserError, quoted
from sedlib.base.installed.extras import DISTRIBUTION
from sedlib.pipeline.code.essence import fingerprint
from sedlib.pipeline.workspace import ARTIFACTS

LINE = re.compile(r"[0-9a-z.+]+ [\w./-]+", re.ASCII)
"""Of a text: a hash, and the name of a file; or a version, and the name of the distribution."""
REMEDY = "run `dvc repro code`, then the stage again"
PACKAGE = Path(__file__).parents[2]
SHIPPED = ("sedlib/", "stages/")
"""Files that a folder without a package of its own has from the installed one."""


def require_current_code(script: str) -> None:
    """Compare each file that the text of a stage script's code lists with the hash there.

    Where there is no text, DVC knows of no code either: a script that was called by hand.

    Raises
    ------
    UserError
        A file was edited, or is gone, since the code stage ran, or the text is damaged.
    """
    text = code_text_of(script)
    if not text.exists():
        return
    root = Path(script).resolve().parent.parent
    for line in text.read_bytes().decode(errors="replace").splitlines():
        known, _, name = line.partition(" ")
        if not LINE.fullmatch(line):
            raise UserError(f"{ARTIFACTS}/code/{text.name} is damaged, it has a line {quoted(line)}; {REMEDY}")
        if said_of(name, root) != known:
            raise UserError(f"{name} is not what it was when {ARTIFACTS}/code/{text.name} was written; {REMEDY}")


def code_text_of(script: str) -> Path:
    """The text of a stage script's code; the code stage writes it."""
    return Path(script).resolve().parent.parent / ARTIFACTS / "code" / f"{Path(script).stem}.txt"


def said_of(name: str, root: Path) -> str | None:
    """What a text of the folder ``root`` says now of a file, or of the distribution; None where there is no such file.

    >>> said_of("sedlib/nowhere.py", Path("/"))
    """
    if name == DISTRIBUTION:
        return installed_version()
    file = shipped_file(name) if name.startswith(SHIPPED) and not (root / PACKAGE.name).is_dir() else root / name
    return fingerprint(file.read_text(encoding="utf-8")) if file.is_file() else None


def shipped_file(name: str) -> Path:
    """Where a file of the package lies, or a script of ``stages/``: beside the package in a checkout, else inside."""
    return inside if (inside := PACKAGE / name).is_file() else PACKAGE.parent / name


def installed_version() -> str:
    """The version of the distribution; ``none`` where it is not installed and the package lies on the path.

    >>> " " in installed_version()
    False
    """
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "none"
