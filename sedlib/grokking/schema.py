"""How parameter sections are read and refused: key, value and remedy, before any work."""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from sedlib.errors import UserError

PARAMS_FILE = Path("params.yaml")


class ParamsError(UserError):
    """params.yaml is refused; the message names key, value and remedy, a line for each problem."""


class Section(BaseModel):
    """Base of all parameter sections: types are taken literally, unknown keys are refused."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


Model = TypeVar("Model", bound=BaseModel)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file, read with the parser that DVC uses, so that both see the same values.

    Raises
    ------
    ParamsError
        The file is missing, is no YAML, or holds no mapping.
    """
    try:
        values = YAML(typ="safe").load(path.read_text())
    except FileNotFoundError as error:
        raise ParamsError(f"{path} is missing; run from the root of the repository") from error
    except YAMLError as error:
        raise ParamsError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(values, dict):
        raise ParamsError(f"{path} must hold a mapping of parameters, got {type(values).__name__}")
    return values


def validated(model: type[Model], values: dict[str, Any], path: Path) -> Model:
    """``values`` as ``model``.

    Raises
    ------
    ParamsError
        At least one value is refused; every refused one is named.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ParamsError("\n".join(f"{path}: {_explain(model, problem)}" for problem in error.errors())) from error


def _explain(model: type[BaseModel], problem: ErrorDetails) -> str:
    location, kind, value = problem["loc"], problem["type"], problem["input"]
    key = ".".join(str(part) for part in location)
    owner, field = _resolve(model, location)
    if kind == "extra_forbidden":
        known = list(owner.model_fields) if owner else []
        close = difflib.get_close_matches(str(location[-1]), known, n=1)
        guess = f"did you mean {close[0]!r}? " if close else ""
        return f"unknown key {key} = {value!r}; {guess}known here: {', '.join(known)}"
    if kind == "missing":
        return f"key {key} is missing; add it: {field.description if field else ''}"
    if kind == "value_error":
        message = str(problem["ctx"]["error"])
        return (
            f"{key} = {value!r}: {message}"
            if field and not isinstance(value, dict)
            else f"{key or 'parameters'}: {message}"
        )
    wanted = problem["msg"].removeprefix("Input should be ")
    meaning = f" ({field.description})" if field and field.description else ""
    return f"{key} = {value!r} must be {wanted}, got {type(value).__name__}; change it{meaning}"


def _resolve(model: type[BaseModel], location: Sequence[int | str]) -> tuple[type[BaseModel] | None, FieldInfo | None]:
    """The section that holds the key at ``location``, and the key's field if it is a known one."""
    owner: type[BaseModel] | None = model
    field: FieldInfo | None = None
    for part in location:
        if owner is None:
            break
        if part in owner.model_fields:
            field = owner.model_fields[str(part)]
            inner = _section_in(field.annotation)
            if inner is not None and part != location[-1]:
                owner = inner
        elif field is not None and _section_in(field.annotation) is owner:
            continue  # a key of a mapping of sections, such as a run's name
    return owner, field


def _section_in(annotation: Any) -> type[BaseModel] | None:
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None
