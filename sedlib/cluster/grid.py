"""What ``-S`` of `sedlib sweep` asks for: combinations of values of parameters that exist."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.utils.cli_parse import to_path_overrides
from dvc.utils.hydra import get_hydra_sweeps
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from sedlib.base.errors import UserError, quoted
from sedlib.base.yaml.yaml_file import read_mapping

MOST_NAMED = 10
"""Parameters in a message."""
Values = dict[str, list[str]]
"""By file of parameters, what is set in it."""


def grid(overrides: Sequence[str]) -> list[Values]:
    """Every combination of the values, each as ``-S`` of `dvc exp run` takes it.

    Raises
    ------
    UserError
        A text is no ``NAME=VALUES``, names a parameter that does not exist in the working directory's files, or one
        that another text names, too.
    """
    for file, texts in to_path_overrides(overrides).items():
        parsed = [_parsed(text) for text in texts]
        for override in parsed:
            _require_known(override, file)
        _require_once([str(override.key_or_group) for override in parsed])
    try:
        return list(get_hydra_sweeps(to_path_overrides(overrides)))
    except (DvcException, HydraException) as error:
        raise UserError(f"-S asks for no grid: {str(error).splitlines()[0]}") from error


def _parsed(text: str) -> Override:
    try:
        found: Override = OverridesParser.create().parse_override(text)
    except HydraException as error:
        raise UserError(
            f"-S takes NAME=VALUES, such as window=1,5,10 or response.kind=jvp, got {quoted(text)}"
        ) from error
    if not found.key_or_group:
        raise UserError(f"-S takes NAME=VALUES, such as window=1,5,10, and {quoted(text)} has no name")
    return found


def _require_once(names: Sequence[str]) -> None:
    """Refuse a name that is given twice, of which DVC would take the last value and say nothing."""
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"-S names {quoted(twice[0])} twice; give its values at once, such as {twice[0]}=1,2")


def _require_known(override: Override, file: str) -> None:
    """An override must name a parameter that exists, unless it adds one."""
    name = override.key_or_group
    if override.is_add() or override.is_force_add() or Path(file).suffix not in (".yaml", ".yml"):
        return
    known = list(_names(read_mapping(Path(file))))
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        top = [key for key in known if "." not in key]
        guess = f"did you mean {close[0]}?" if close else f"there are {', '.join(top[:MOST_NAMED])}, …"
        raise UserError(f"-S {quoted(name)}: {file} has no such parameter; {guess} A new one is +{name}=VALUE")


def _names(values: Mapping[str, Any], before: str = "") -> Iterator[str]:
    """Dotted names of all sections and values."""
    for key, value in values.items():
        yield f"{before}{key}"
        if isinstance(value, Mapping):
            yield from _names(value, f"{before}{key}.")
