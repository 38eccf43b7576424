"""Figures as SVG and PNG; a PNG whose figure has the SVG that it had before is not drawn again."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from sedlib.base.atomic import replacing
from sedlib.base.strict_json import json_text
from sedlib.report.drawn.panels import STYLE

DPI = 150
OPTIONS: dict[str, dict[str, Any]] = {
    "svg": {"metadata": {"Date": None}},
    "png": {"dpi": DPI, "metadata": {"Software": None}},
}
DRAWN = "drawn.json"
"""File with two hashes of each figure: of what its PNG was drawn from, and of the PNG."""


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
        svg, png = folder / f"{name}.svg", folder / f"{name}.png"
        _draw(figure, svg)
        source = _hash(svg.read_bytes() + f"{OPTIONS['png']} {mpl.__version__}".encode())
        if not png.exists() or before.get(name) != [source, _hash(png.read_bytes())]:
            _draw(figure, png)
        now[name] = [source, _hash(png.read_bytes())]
        written |= {svg, png}
    with replacing(folder / DRAWN) as path:
        path.write_text(json_text(now, indent=1) + "\n")
    return written


def _draw(figure: Figure, target: Path) -> None:
    kind = target.suffix[1:]
    with mpl.rc_context(STYLE), replacing(target) as path:
        figure.savefig(path, format=kind, **OPTIONS[kind])


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _recorded(path: Path) -> dict[str, Any]:
    """What ``DRAWN`` holds; nothing where the file is missing or broken, so that every figure is drawn."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
