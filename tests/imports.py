"""Which files of the repository a Python file imports, directly or not, read from its source."""

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent


def imported_modules(path: Path) -> set[str]:
    """Names of all modules that ``path`` imports anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide where a name comes from"
            assert node.module
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def direct_imports(path: Path) -> set[Path]:
    """Files of sedlib that ``path`` imports."""
    files = (ROOT / (name.replace(".", "/") + ".py") for name in imported_modules(path))
    return {file for file in files if file.is_file() and file.is_relative_to(ROOT / "sedlib")}


def import_closure(path: Path) -> set[Path]:
    """Files of sedlib that ``path`` imports, directly or through others."""
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        new = direct_imports(waiting.pop()) - found
        found |= new
        waiting += new
    return found
