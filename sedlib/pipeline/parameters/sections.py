"""How parameter sections are read and refused: key, value and remedy, before any work."""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from sedlib.base.edited import watched
from sedlib.base.errors import UserError, quoted
from sedlib.base.yaml.yaml_file import read_mapping
from sedlib.pipeline.parameters.limits import Limit
from sedlib.pipeline.parameters.plain_texts import name_problems, text_problems

PARAMS_FILE = Path("params.yaml")
MOST_PROBLEMS = 10
"""That a message lists, or names."""


class ParamsError(UserError):
    """params.yaml is refused; the message names key, value and remedy, a line for each problem."""


class Section(BaseModel):
    """Base of all parameter sections: types are taken literally, unknown keys are refused."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


Model = TypeVar("Model", bound=BaseModel)


class StageParams(Section):
    """Base of what one stage reads of params.yaml: the keys that it has as fields, and no others."""

    @classmethod
    @watched
    def load(cls: type[Model], path: Path = PARAMS_FILE) -> Model:
        """The stage's keys in ``path``; the rest of the file is not looked at.

        Raises
        ------
        ParamsError
            The file is missing, or one of the values is refused; the message names key, value and remedy.
        """
        values = read_params(path)
        return validated(cls, {name: values[name] for name in cls.model_fields if name in values}, path)


@watched
def read_params(path: Path) -> dict[str, Any]:
    """The mapping in params.yaml, of which every text is plain and every run's name a file's.

    Raises
    ------
    ParamsError
        The file is missing, ``read_mapping`` refuses it, or a text or a name in it cannot be.
    """
    try:
        values = read_mapping(path)
    except UserError as error:
        raise ParamsError(str(error)) from error
    if problems := list(text_problems(values)) or list(name_problems(values)):
        raise ParamsError("\n".join(f"{path}: {problem}" for problem in problems[:MOST_PROBLEMS]))
    return values


def some(names: Iterable[str]) -> str:
    """Names as a message lists them.

    >>> some(["a", "b"])
    'a, b'
    """
    listed = list(names)
    more = f" and {len(listed) - MOST_PROBLEMS} more" if len(listed) > MOST_PROBLEMS else ""
    return ", ".join(listed[:MOST_PROBLEMS]) + more


def validated(model: type[Model], values: dict[str, Any], path: Path, names: Mapping[str, str] | None = None) -> Model:
    """``values`` as ``model``; ``names`` gives the keys that are called otherwise in the file.

    Raises
    ------
    ParamsError
        At least one value is refused; every refused one is named.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems: dict[str, list[ErrorDetails]] = {}
        for problem in error.errors():
            problems.setdefault(_key(problem), []).append(problem)
        lines = (f"{path}: {_explain(model, key, same, names or {})}" for key, same in problems.items())
        raise ParamsError("\n".join(islice(lines, MOST_PROBLEMS))) from error


def _key(problem: ErrorDetails) -> str:
    """Dotted key of the value; the last parts that pydantic adds for the members of a union are left out."""
    parts = [str(part) for part in problem["loc"]]
    while parts and (parts[-1].startswith("literal[") or parts[-1] in ("constrained-int", "[key]")):
        parts.pop()
    return ".".join(parts)


def _explain(model: type[BaseModel], key: str, problems: list[ErrorDetails], names: Mapping[str, str]) -> str:
    """What is wrong with one key's value; of a union, what each of its members wanted."""
    kind, value = problems[0]["type"], problems[0]["input"]
    owner, field = _resolve(model, key.split(".") if key else [])
    section, dot, rest = key.partition(".")
    key = f"{names.get(section, section)}{dot}{rest}"
    meaning = f" ({field.description})" if field and field.description else ""
    if field and kind in ("less_than", "less_than_equal"):
        meaning += "".join(
            f"; at most {limit.most:,} {limit.description}" for limit in _limits(*field.metadata, field.annotation)
        )
    if kind == "extra_forbidden":
        known = list(owner.model_fields)
        close = difflib.get_close_matches(key.rpartition(".")[2], known, n=1)
        guess = f"did you mean {close[0]!r}? " if close else ""
        return f"unknown key {key} = {quoted(value)}; {guess}known here: {', '.join(known)}"
    if kind == "missing":
        return f"key {key} is missing; add it{meaning}"
    if kind == "value_error":
        message = str(problems[0]["ctx"]["error"])
        return f"{key}: {message}" if key else message
    wanted = " or ".join(problem["msg"].removeprefix("Input should be ") for problem in problems)
    if problems[0]["msg"] == wanted:
        return f"{key} = {quoted(value)} is refused: {wanted[0].lower()}{wanted[1:]}{meaning}"
    return f"{key} = {quoted(value)} must be {wanted}, got {type(value).__name__}; change it{meaning}"


def _limits(*annotations: Any) -> Iterator[Limit]:
    """The limits that stand in annotations, at any depth."""
    for annotation in annotations:
        if isinstance(annotation, Limit):
            yield annotation
        else:
            yield from _limits(*get_args(annotation))


def _resolve(model: type[BaseModel], parts: Sequence[str]) -> tuple[type[BaseModel], FieldInfo | None]:
    """The section that holds the key, and the key's field if it is a known one."""
    owner, field = model, None
    for position, part in enumerate(parts):
        if part in owner.model_fields:
            field = owner.model_fields[part]
            inner = _section_in(field.annotation)
            if inner is not None and position < len(parts) - 1:
                owner = inner
        elif position == len(parts) - 1 and not part.isdecimal():  # the number of an item, which its list describes
            field = None
    return owner, field


def _section_in(annotation: Any) -> type[BaseModel] | None:
    """The section that an annotation is, or is a mapping of."""
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None
