"""Which texts can stand in params.yaml: DVC writes them into the paths and the shell commands of dvc.yaml.

DVC quotes them there for a shell (dvc.yaml), yet not for every shell, and a path it takes as it is.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from sedlib.base.errors import quoted
from sedlib.pipeline.workspace import name_problem

PLAIN = re.compile(r"[A-Za-z0-9_.,:/+*?=\[\] -]*")
LONGEST_TEXT = 200
"""Characters of a key or a text: names of files have at most 255."""
NAMES = re.compile(r"(.*_)?runs")
"""Keys of what lists runs."""


def text_problems(value: Any, key: str = "") -> Iterator[str]:
    """What is wrong with keys and texts in ``value``, which stands under ``key``.

    >>> list(text_problems({"data": {"source": "$(date)"}}))[0].partition(", and")[0]
    "data.source = '$(date)' has '$'"
    """
    if isinstance(value, str) and (problem := _text_problem(value)):
        yield f"{key} = {quoted(value)} {problem}"
    elif isinstance(value, dict):
        for name, inner in value.items():
            below = f"{key}.{name}" if key else name
            if problem := _text_problem(name):
                yield f"key {quoted(below)} {problem}"
            else:
                yield from text_problems(inner, below)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from text_problems(inner, f"{key}.{number}")


def _text_problem(text: str) -> str | None:
    if len(text) > LONGEST_TEXT:
        return f"has {len(text):,} characters, and may have {LONGEST_TEXT}; shorten it"
    if text.startswith("-"):
        return "begins with a hyphen, so that a command takes it for an option; choose another"
    if strange := PLAIN.sub("", text):
        return (
            f"has {quoted(strange[0])}, and DVC writes texts into commands and paths; use letters without accents, "
            "digits, spaces and . , : / + * ? = [ ] _ -"
        )
    return None


def name_problems(values: dict[str, Any], key: str = "") -> Iterator[str]:
    """What is wrong with names of runs: the keys of ``runs``, and the items of any list that is called so.

    >>> list(name_problems({"runs": {"add-1": {}, "Add-1": {}}}))
    ["runs: 'add-1' and 'Add-1' name the same files; name each run once"]
    """
    for name, value in values.items():
        below = f"{key}.{name}" if key else name
        if NAMES.fullmatch(name) and isinstance(value, dict | list):
            names = [run for run in value if isinstance(run, str)]
            found = [problem for run in names if (problem := name_problem(run))] or list(_same_files(names))
            yield from (f"{below}: {problem}" for problem in found)
        elif isinstance(value, dict):
            yield from name_problems(value, below)


def _same_files(names: list[str]) -> Iterator[str]:
    """File systems of Windows and macOS take names for one that differ in capitals alone."""
    for name, count in Counter(map(str.lower, names)).items():
        if count > 1:
            same = " and ".join(repr(other) for other in names if other.lower() == name)
            yield f"{same} name the same files; name each run once"
