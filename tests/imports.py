"""The repository's root, and which of its files a Python file imports."""

from pathlib import Path

from sedlib.pipeline.code.imports import direct_imports as direct
from sedlib.pipeline.code.imports import import_closure as closure

ROOT = Path(__file__).parent.parent


def direct_imports(path: Path) -> set[Path]:
    """Files of sedlib that ``path`` imports."""
    return {file for file in direct(path, ROOT) if file.is_relative_to(ROOT / "sedlib")}


def import_closure(path: Path) -> set[Path]:
    """Files of sedlib that ``path`` imports, directly or through others."""
    return {file for file in closure(path, ROOT) if file.is_relative_to(ROOT / "sedlib")}
