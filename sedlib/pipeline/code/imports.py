"""Which files of a folder a Python file imports, directly or not, read from its source: nothing is run.

Package files are not followed: they import nothing that runs (tests/test_architecture.py).
"""

import ast
from functools import cache
from pathlib import Path

from sedlib.base.errors import UserError

PACKAGE = "sedlib"
"""Its names are looked up when they are used, so that nothing in a file's source says which modules they are of."""


@cache
def imported_modules(file: Path) -> set[str]:
    """Names of all modules that ``file`` imports anywhere in it; ``from a import b`` gives ``a`` and ``a.b``.

    Raises
    ------
    UserError
        It is no Python, or an import hides where a name comes from: a relative one, or one of ``sedlib`` itself.
    """
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError) as error:
        raise UserError(f"{file} is no Python: {error}") from error
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            if node.level or not node.module:
                raise UserError(f"{file}, line {node.lineno}: write the module's whole name, not a relative one")
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    if PACKAGE in names:
        raise UserError(
            f"{file} imports {PACKAGE} itself, which hides what it uses of it: write from {PACKAGE}.MODULE import NAME"
        )
    return names


@cache
def direct_imports(file: Path, root: Path) -> set[Path]:
    """Files under ``root`` that ``file`` imports."""
    found = (root / (name.replace(".", "/") + ".py") for name in imported_modules(file))
    return {imported for imported in found if imported.is_file()}


def import_closure(file: Path, root: Path) -> set[Path]:
    """Files under ``root`` that ``file`` imports, directly or through others."""
    found: set[Path] = set()
    waiting = [file]
    while waiting:
        new = direct_imports(waiting.pop(), root) - found
        found |= new
        waiting += new
    return found
