"""The notebook of the first sections of docs/your-model.md: `python -m tests.own.notebook` writes it anew."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.imports import ROOT

PAGE = ROOT / "docs/your-model.md"
NOTEBOOK = PAGE.with_suffix(".ipynb")
CODE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECTIONS = ("What do I need?", "Fifteen lines", "What does the table say?")


def sections(page: Path = PAGE) -> dict[str, str]:
    """Texts by heading."""
    parts = page.read_text().split("\n## ")[1:]
    return {part.partition("\n")[0]: part.partition("\n")[2].strip() for part in parts}


def notebook() -> str:
    """Of those sections, a cell for each text between programs and for each program, without results."""
    cells = [cell for name in SECTIONS for cell in _cells(f"## {name}\n\n{sections()[name]}")]
    about = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return json.dumps({"cells": cells, "metadata": about, "nbformat": 4, "nbformat_minor": 4}, indent=1) + "\n"


def _cells(text: str) -> Iterator[dict[str, Any]]:
    for number, part in enumerate(CODE.split(text)):
        lines = part.strip().splitlines(keepends=True)
        if lines and number % 2:
            yield {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": lines}
        elif lines:
            yield {"cell_type": "markdown", "metadata": {}, "source": lines}


if __name__ == "__main__":
    NOTEBOOK.write_text(notebook())
