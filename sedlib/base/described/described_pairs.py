"""Whether files and their descriptions are all there: one without the other does not say what became of it."""

from pathlib import Path

from sedlib.base.described.description import description_of
from sedlib.base.errors import UserError

DATA = (".csv", ".json")
DESCRIPTION = ".resource.json"


def require_pairs(folder: Path, pattern: str) -> None:
    """Refuse a file without its description, and a description or a dead link without its file.

    Parameters
    ----------
    pattern
        A glob in ``folder`` that fits the names of both, such as ``*/summary.*``.

    Raises
    ------
    UserError
        One of two is missing; the message names both, and what brings them back.
    """
    found = {path for path in folder.glob(pattern) if path.suffix in DATA}
    for path in sorted(found):
        if path.name.endswith(DESCRIPTION):
            table, numbers = (path.with_name(path.name.removesuffix(DESCRIPTION) + suffix) for suffix in DATA)
            if found.isdisjoint((table, numbers)):
                wanted = numbers if numbers.stem == "summary" else table
                raise _half(path, "the file that it describes", wanted.name)
        elif not path.exists():
            raise UserError(f"{path} is a link to what is not there; `dvc checkout {path}`, or `dvc pull {path}`")
        elif description_of(path) not in found:
            raise _half(path, "its description", description_of(path).name)


def _half(path: Path, what: str, name: str) -> UserError:
    both = f"{path} {path.with_name(name)}"
    return UserError(
        f"{path}: expected {what} beside it, {name}, found none: it was removed, or this file was copied without it. "
        f"Bring both back with `dvc checkout --force {both}`, or `dvc pull {both}`"
    )
