"""The list of what others start from, dumps and checkpoints by size and hash, as a table that git keeps."""

import re
from pathlib import Path

from sedlib.base.atomic import replacing
from sedlib.upkeep.whole_locks import locked_outputs

LIST = Path("reports/artifacts.md")
KINDS = ("gradients", "checkpoints")
ARTIFACT = re.compile(r"artifacts/(checkpoints|gradients)/([\w-]+)\.h5", re.ASCII)
HEAD = """| run | gradients, bytes | their MD5 | checkpoints, bytes | their MD5 |
|---|---|---|---|---|
"""


def write_list(lock: Path = Path("dvc.lock")) -> None:
    """Write the list of what a lock names.

    Raises
    ------
    UserError
        The lock is broken.
    """
    runs: dict[str, dict[str, tuple[int | None, str]]] = {}
    for out, _ in locked_outputs(lock) if lock.exists() else ():
        if found := ARTIFACT.fullmatch(str(out.get("path"))):
            runs.setdefault(found[2], {})[found[1]] = (out.get("size"), str(out.get("md5")))
    rows = [
        [run, *(cell for kind in KINDS for cell in _cells(*files.get(kind, (None, ""))))] for run, files in runs.items()
    ]
    total = [sum(files[kind][0] or 0 for files in runs.values() if kind in files) for kind in KINDS]
    rows.append(["all", *(cell for size in total for cell in _cells(size, ""))])
    with replacing(LIST) as temporary:
        temporary.write_text(HEAD + "".join(f"| {' | '.join(row)} |\n" for row in rows))


def _cells(size: int | None, digest: str) -> tuple[str, str]:
    return "" if size is None else f"{size:,}", f"`{digest}`" if digest else ""
