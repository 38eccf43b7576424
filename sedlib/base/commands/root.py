"""The root of a project, where `sedlib` is called."""

from pathlib import Path

from sedlib.base.errors import UserError


def require_root(root: Path) -> None:
    """Refuse a folder within a project, from which the same command would read, or write, something else.

    Raises
    ------
    UserError
        It has no folder .dvc.
    """
    if not (root / ".dvc").is_dir():
        raise UserError(f"{root} has no folder .dvc: call sedlib where dvc.yaml is")
