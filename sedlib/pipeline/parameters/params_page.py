"""The page of parameters, generated from a study's schema: docs/parameters.md."""

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel

from sedlib.base.yaml.yaml_file import LARGEST_FILE
from sedlib.pipeline.parameters.limits import LIMITS
from sedlib.pipeline.parameters.plain_texts import LONGEST_TEXT
from sedlib.pipeline.workspace import LONGEST_NAME

HEAD = """# Parameters

Every key of `params.yaml` in its order, as `sedlib parameters` prints it from the schema: `Params` in
`{place}`, which has those of the analysis from `sedlib/pipeline/parameters/`.
`sedlib check` checks the whole file, and so does every run before it is trained; a stage checks what it reads.
A value is changed for one experiment with `dvc exp run -S window=5 figures@add-42`, a run added with
`dvc exp run -S '+runs.add-3={{ops: [add], seed: 3}}' figures@add-3`. Without a target, all runs that are not up to date
are computed.

| key | default | allowed | meaning |
|---|---|---|---|
"""

TAIL = """
## Limits

A larger value is a slip of the pen, or asks for more than machines have; a message says which limit it passes. What is
too large together is refused by an estimate in bytes. Texts hold letters without accents, digits, spaces and
`. , : / + * ? = [ ] _ -`, and names of runs letters, digits, `-` and `_`, as DVC writes them into commands and paths.
The file is YAML of plain values: no aliases, tags, merge keys or dates, and no key twice.

| at most | of what, and why |
|---|---|
"""


def params_page(params: type[BaseModel], order: Iterable[str]) -> str:
    """The page of ``params``, which describe a whole params.yaml, as Markdown.

    Its keys come in ``order``, and those that are not in it after these.
    """
    schema = params.model_json_schema()
    places = {key: place for place, key in enumerate(order)}
    rows = _rows(schema, {"properties": _sorted(schema["properties"], places)}, "")
    head = HEAD.format(place=f"{params.__module__.replace('.', '/')}.py")
    return head + "".join(f"| {' | '.join(row)} |\n" for row in rows) + TAIL + "".join(_limit_rows())


def _limit_rows() -> Iterator[str]:
    yield from (f"| {limit.most:,} | {limit.description} |\n" for limit in LIMITS)
    yield f"| {LARGEST_FILE:,} | bytes of params.yaml: some thousands of runs |\n"
    yield f"| {LONGEST_NAME} | characters of a run's name: names of files are made of it |\n"
    yield f"| {LONGEST_TEXT} | characters of any other text |\n"


def _sorted(properties: dict[str, Any], places: dict[str, int]) -> dict[str, Any]:
    return dict(sorted(properties.items(), key=lambda item: places.get(item[0], len(places))))


def _rows(schema: dict[str, Any], section: dict[str, Any], prefix: str) -> Iterator[tuple[str, str, str, str]]:
    for name, field in section["properties"].items():
        key = f"{prefix}{name}"
        if "$ref" in field:
            yield from _rows(schema, _resolve(schema, field), f"{key}.")
        elif "$ref" in field.get("additionalProperties", {}):
            yield from _rows(schema, _resolve(schema, field["additionalProperties"]), f"{key}.NAME.")
        else:
            default = f"`{_as_yaml(field['default'])}`" if "default" in field else "required"
            yield f"`{key}`", default, _allowed(field), field["description"]


def _resolve(schema: dict[str, Any], reference: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = schema["$defs"][reference["$ref"].rpartition("/")[2]]
    return found


def _as_yaml(default: object) -> object:
    return "null" if default is None else default


def _allowed(field: dict[str, Any]) -> str:
    if "anyOf" in field:
        return " or ".join(_allowed(member) for member in field["anyOf"])
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    if field["type"] == "array":
        return f"list of {_allowed(field['items'])}"
    kind = {"integer": "whole number", "number": "number", "string": "name", "null": "`null`"}[field["type"]]
    bounds = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}
    limits = [f"{sign} {field[key]:,}" for key, sign in bounds.items() if key in field]
    return " ".join([kind, ", ".join(limits)]).strip()
