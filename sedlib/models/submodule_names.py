"""Submodules by name, also below wrappers."""

from torch import nn

from sedlib.base.errors import listed, quoted
from sedlib.base.nearest import nearest


def submodule(module: nn.Module, name: str, argument: str) -> nn.Module:
    """The submodule of that name, or the only one whose name ends in it: wrappers put a prefix before every name.

    Raises
    ------
    ValueError
        There is none, or several; the message begins with ``argument``.

    Examples
    --------
    >>> wrapped = nn.DataParallel(nn.Sequential(nn.Linear(2, 2), nn.Tanh()))
    >>> submodule(wrapped, "1", "embed")
    Tanh()
    """
    names = {path: found for path, found in module.named_modules(remove_duplicate=False) if path}
    if name in names:
        return names[name]
    ends = {path: found for path, found in names.items() if name and path.endswith(f".{name}")}
    if len({id(found) for found in ends.values()}) != 1:
        several = f"several submodules end in it: {listed(list(ends))}" if ends else f"it has {nearest(name, names)}"
        raise ValueError(
            f"{argument}: expected the name of a submodule of {type(module).__name__}, got {quoted(name)}; {several}"
        )
    return next(iter(ends.values()))
