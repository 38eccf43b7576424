"""A script refuses to run as another one than the text of its code says: DVC would take its results for that one's."""

import re
from pathlib import Path

from sedlib.base.errors import UserError, quoted
from sedlib.pipeline.code.essence import fingerprint
from sedlib.pipeline.workspace import ARTIFACTS

LINE = re.compile(r"[0-9a-f]+ [\w./-]+", re.ASCII)
"""Of a text: a hash, and the name of a file."""
REMEDY = "run `dvc repro code`, then the stage again"


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
        if not (root / name).is_file() or fingerprint((root / name).read_text(encoding="utf-8")) != known:
            raise UserError(f"{name} is not what it was when {ARTIFACTS}/code/{text.name} was written; {REMEDY}")


def code_text_of(script: str) -> Path:
    """The text of a stage script's code; the code stage writes it."""
    return Path(script).resolve().parent.parent / ARTIFACTS / "code" / f"{Path(script).stem}.txt"
