"""Names in a file beside names in a module: wrappers put a prefix before every one."""

from collections.abc import Collection, Iterator

from sedlib.base.errors import listed

DEEPEST = 4
"""Parts of a name that may be a wrapper's."""


def renamed(names: Collection[str], wanted: Collection[str]) -> dict[str, str]:
    """Names of the module by those of a file, under the one prefix that either side has more than the other.

    ``wanted`` are those that the module must get. Names of the file outside the prefix (a trainer's metrics, another
    network) are left out; those under it are not, whether the module has them or not.

    Raises
    ------
    ValueError
        No prefix gives the module all it needs, or several do.

    Examples
    --------
    >>> renamed(["module.a.weight", "module.b.weight"], ["a.weight", "b.weight"])
    {'module.a.weight': 'a.weight', 'module.b.weight': 'b.weight'}
    """
    found = [pairs for pairs in _candidates(names, wanted) if set(wanted) <= set(pairs.values())]
    if len(found) > 1:
        firsts = [next(iter(pairs)) for pairs in found]
        raise ValueError(f"several sets of names fit the module, such as those with {listed(firsts)}; give one of them")
    if found:
        return found[0]
    missing = [name for name in wanted if name not in set(names)]
    raise ValueError(
        f"{len(missing):,} of {len(wanted):,} tensors are missing, under every prefix: {listed(missing)}; the file has "
        f"{listed(sorted(names))}; is it of another model?"
    )


def _candidates(names: Collection[str], known: Collection[str]) -> Iterator[dict[str, str]]:
    for prefix in _prefixes(names):
        pairs = {name: name.removeprefix(prefix) for name in names if name.startswith(prefix)}
        yield pairs
    for prefix in _prefixes(known):
        if prefix:
            yield {name: prefix + name for name in names}


def _prefixes(names: Collection[str]) -> list[str]:
    parts = (name.split(".") for name in names)
    return sorted(
        {".".join(some[:depth]) + "." * (depth > 0) for some in parts for depth in range(min(DEEPEST, len(some)))}
    )
