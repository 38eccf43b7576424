"""Which columns of a vector belong to which parameter.

Shapes: a block is a slice of the ``[params]`` of a ParamLayout, counted in parameters.
"""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from sedlib.base.border.checked import checked
from sedlib.base.errors import quoted
from sedlib.base.nearest import nearest
from sedlib.vectors import ParamLayout


@checked(layout="ParamLayout.select(module, …) makes one", names="a list of parameter names")
def blocks(
    layout: ParamLayout, names: Sequence[str], parts: Mapping[str, Sequence[str]] | None = None
) -> dict[str, slice]:
    """Columns of each named parameter in a vector of ``layout``.

    ``parts`` names, by glob, the equal parts that a parameter's first axis holds, so that each is a block of its own:
    ``{"*.in_proj_weight": ("query", "key", "value")}`` gives ``….in_proj_weight.query`` and so on.

    Raises
    ------
    ValueError
        The layout has no such parameter, a glob matches none of ``names``, a first axis has no such parts, or two parts
        have one name.

    Examples
    --------
    >>> layout = ParamLayout(("embedding", "in_proj"), ((5,), (6, 2)))
    >>> blocks(layout, ["in_proj"])
    {'in_proj': slice(5, 17, None)}
    >>> blocks(layout, ["in_proj"], {"in_*": ("query", "key", "value")})
    {'in_proj.query': slice(5, 9, None), 'in_proj.key': slice(9, 13, None), 'in_proj.value': slice(13, 17, None)}
    """
    if missing := [name for name in names if name not in layout.names]:
        raise ValueError(f"the layout has no parameter {missing[0]!r}; there are: {nearest(missing[0], layout.names)}")
    for pattern in parts or {}:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ValueError(f"pattern {pattern!r} matches none of: {nearest(pattern, names)}")
    found, start = {}, 0
    for name, shape, size in zip(layout.names, layout.shapes, layout.sizes, strict=True):
        if name in names:
            split = next((some for pattern, some in (parts or {}).items() if fnmatchcase(name, pattern)), None)
            found.update(_parts(name, shape, slice(start, start + size), split))
        start += size
    return found


def _parts(name: str, shape: tuple[int, ...], whole: slice, parts: Sequence[str] | None) -> dict[str, slice]:
    if not parts:
        return {name: whole}
    if isinstance(parts, str) or len(set(parts)) < len(parts):
        raise ValueError(f"parts of {name!r}: expected names in a tuple, each once, got {quoted(parts)}")
    if not shape or shape[0] % len(parts):
        raise ValueError(f"parameter {name!r} of shape {shape} has no {len(parts)} equal parts along its first axis")
    width = (whole.stop - whole.start) // len(parts)
    edges = range(whole.start, whole.stop, width)
    return {f"{name}.{part}": slice(edge, edge + width) for part, edge in zip(parts, edges, strict=True)}
