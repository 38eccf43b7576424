"""The page of parameters, generated from the schema: docs/parameters.md."""

from collections.abc import Iterator
from typing import Any

from sedlib.grokking.setup.params import Params

HEAD = """# Parameters

Every key of `params.yaml`, generated from the schema in `sedlib/grokking/setup/params.py` by `sedlib parameters`.
`sedlib check` checks the file; every stage does so before any work. A value is changed for one experiment with
`dvc exp run -S window=5 figures@add-42`, a run added with
`dvc exp run -S '+runs.add-3={ops: [add], seed: 3}' figures@add-3`. Without a target, all runs that are not up to date
are computed.

| key | default | allowed | meaning |
|---|---|---|---|
"""


def params_page() -> str:
    """The page as Markdown."""
    schema = Params.model_json_schema()
    return HEAD + "".join(f"| {' | '.join(row)} |\n" for row in _rows(schema, schema, ""))


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
