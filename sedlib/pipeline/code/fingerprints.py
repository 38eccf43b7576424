"""The code that each stage uses, as one small text for each: a line ``hash path`` for every file.

A stage depends on its text alone. A file that the stage does not import, and words that only a reader sees, leave the
text as it is, and so the stage's results.
"""

from collections.abc import Collection
from functools import cache
from pathlib import Path

from sedlib.base.atomic import replacing
from sedlib.pipeline.code.essence import fingerprint
from sedlib.pipeline.code.imports import import_closure

LOADS_STUDY = Path("sedlib/pipeline/study.py")
"""A script that imports this file uses the folder's study, which nothing imports by name."""


def code_used(script: Path, root: Path, study: Path | None = None, apart: Collection[Path] = ()) -> set[Path]:
    """The script, all files under ``root`` that it imports, and the ``study`` with its imports if it loads one.

    ``apart`` are files on which stages depend in another way.
    """
    used = {script} | import_closure(script, root)
    if study is not None and root / LOADS_STUDY in used:
        used |= {study} | import_closure(study, root)
    return used - set(apart)


def code_text(script: Path, root: Path, study: Path | None = None, apart: Collection[Path] = ()) -> str:
    """Lines ``hash path`` of the code that a script uses, in order of the paths, which start at ``root``."""
    used = sorted(code_used(script, root, study, apart))
    return "".join(f"{_fingerprint(file)} {file.relative_to(root).as_posix()}\n" for file in used)


@cache
def _fingerprint(file: Path) -> str:
    return fingerprint(file.read_text(encoding="utf-8"))


def write_texts(texts: dict[str, str], folder: Path) -> None:
    """Write each text under its name; what lies there of other names goes."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {folder / f"{name}.txt": text for name, text in texts.items()}
    for old in set(folder.glob("*")) - set(wanted):
        old.unlink()
    for path, text in wanted.items():
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
