"""Figures as SVG and PNG; one whose content is what its files were drawn from is not drawn again."""

import copyreg
import hashlib
import io
import json
import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.transforms import TransformNode

from sedlib.base.atomic import replacing
from sedlib.base.strict_json import json_text
from sedlib.report.drawn.panels import STYLE

DPI = 150
OPTIONS: dict[str, dict[str, Any]] = {
    "svg": {"metadata": {"Date": None}},
    "png": {"dpi": DPI, "metadata": {"Software": None}},
}
DRAWN = "drawn.json"
"""File with hashes of what each figure was drawn from, and of the figure's files."""


def save_figures(figures: Mapping[str, Figure], folder: Path) -> set[Path]:
    """Write every figure into ``folder``; equal figures give equal bytes.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name:
    ...     sorted(path.name for path in save_figures({"empty": Figure()}, Path(name)))
    ['drawn.json', 'empty.png', 'empty.svg']
    """
    folder.mkdir(parents=True, exist_ok=True)
    before, now = _recorded(folder / DRAWN), {}
    written = {folder / DRAWN}
    for name, figure in figures.items():
        key, paths = content_key(figure), [folder / f"{name}.{kind}" for kind in OPTIONS]
        if before.get(name) != [key, *_hashes(paths)]:
            _draw(figure, paths)
        now[name] = [key, *_hashes(paths)]
        written |= set(paths)
    with replacing(folder / DRAWN) as path:
        path.write_text(json_text(now, indent=1) + "\n")
    return written


def _draw(figure: Figure, paths: Iterable[Path]) -> None:
    with mpl.rc_context(STYLE):
        for target in paths:
            kind = target.suffix[1:]
            with replacing(target) as path:
                figure.savefig(path, format=kind, **OPTIONS[kind])


def content_key(figure: Figure) -> str:
    """Hash of all that a figure is made of, and of what draws it; equal in every process.

    Examples
    --------
    >>> content_key(Figure()) == content_key(Figure()), content_key(Figure()) == content_key(Figure((1, 2)))
    (True, False)
    """
    content = io.BytesIO()
    _Content(content, protocol=5).dump((mpl.__version__, sorted(STYLE.items()), OPTIONS, figure))
    return hashlib.sha256(content.getvalue()).hexdigest()


class _Content(pickle.Pickler):
    """A pickle to be hashed, never read: without addresses, by which a transform knows its parents."""

    def reducer_override(self, part: Any) -> Any:
        if isinstance(part, TransformNode):
            state: Any = part.__getstate__()
            made: Any = copyreg
            return made.__newobj__, (type(part),), state | {"_parents": list(state["_parents"].values())}
        if isinstance(part, FunctionType) and "<" in part.__qualname__:  # a lambda, or defined inside
            inside = [cell.cell_contents for cell in part.__closure__ or ()]
            return list, (), None, iter([part.__qualname__, part.__code__, part.__defaults__, *inside])
        if isinstance(part, CodeType):
            return list, (), None, iter([part.co_code, part.co_names, part.co_consts])
        if isinstance(part, (set, frozenset)):
            return list, (), None, iter(sorted(part, key=str))
        return NotImplemented


def _hashes(paths: Iterable[Path]) -> list[str]:
    return [hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "" for path in paths]


def _recorded(path: Path) -> dict[str, Any]:
    """What ``DRAWN`` holds; nothing where the file is missing or broken, so that every figure is drawn."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
