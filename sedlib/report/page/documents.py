"""README.md and docs/results.md: their claim tables, and the numbers in their prose, from reports/metrics.json.

In prose a number stands before a comment that names its place, ``152<!-- single_task.add.gradient_peak.mean -->``, and
is written anew from there; ``?`` is a number yet to be filled in. A sentence ends with the conditions on which it
holds, ``<!-- while CLAIM is VERDICT or VERDICT -->`` or ``<!-- while PLACE < PLACE -->``, of which either side may be a
number and ``<`` any comparison; where one does not hold, the text is refused. Between ``<!-- table: FILE -->`` and
``<!-- end of table -->`` stands a Markdown file of the repository.
"""

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from sedlib.base.errors import UserError
from sedlib.report.claims.claim import NOTHING
from sedlib.report.claims.listing import claims, headlines
from sedlib.report.numbers.paper import number

README, RESULTS = Path("README.md"), Path("docs/results.md")
START, END = "<!-- claims: written by `make report` -->", "<!-- end of claims -->"
COLUMNS = ["claim", "paper", "ours", "verdict"]
PLACED = re.compile(r"(?P<number>[-−]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?|\?)?<!-- (?P<place>[^\s:]+\.[^\s:]+) -->")
LITERAL = re.compile(r"\d+(\.\d+)?")
CONDITION = re.compile(r"<!-- while (?P<left>\S+) (?P<relation>\S+) (?P<right>[^>]+?) -->")
EMBEDDED = re.compile(r"<!-- table: (?P<file>\S+) -->.*?<!-- end of table -->", re.DOTALL)
RELATIONS: dict[str, Callable[..., bool]] = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def update(root: Path, numbers: Mapping[str, Any]) -> None:
    """Write both anew; neither, where one is refused.

    Raises
    ------
    UserError
        A table's marks or its file are missing, a place does not exist, or a sentence no longer holds.
    """
    texts = {page: written((root / page).read_text(), page, numbers) for page in (README, RESULTS)}
    texts = {page: with_files(text, root) for page, text in texts.items()}
    for page, text in texts.items():
        (root / page).write_text(text)


def written(text: str, page: Path, numbers: Mapping[str, Any]) -> str:
    """``text`` of README or results with its table and its numbers as ``numbers`` has them."""
    found = claims(numbers)
    table = headlines(found)[COLUMNS] if page == README else linked(found)
    return with_table(with_numbers(text, page, numbers, found), page, table)


def linked(found: pd.DataFrame) -> pd.DataFrame:
    """The claims with links from docs/ to their figures and tables, and their commands as code."""
    shown = found.drop(columns="name")
    for column, folder in (("figure", "figures"), ("table", "tables")):
        shown[column] = [file if file == NOTHING else _link(f"../reports/{folder}/{file}") for file in found[column]]
    return shown.assign(command=[f"`{command}`" for command in found["command"]])


def _link(target: str) -> str:
    return f"[{Path(target).stem}]({target})"


def with_table(text: str, page: Path, table: pd.DataFrame) -> str:
    """``text`` with the table between its marks.

    Raises
    ------
    UserError
        The marks are not there, once each and in order.
    """
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end) or START in after:
        raise UserError(f"{page} must hold {START!r} and {END!r}, once each, around its claim table")
    return f"{before}{START}\n\n{table.to_markdown(index=False)}\n\n{END}{after}"


def with_files(text: str, root: Path) -> str:
    """``text`` with every embedded table as its file under ``root`` has it.

    Raises
    ------
    UserError
        There is no such file.
    """

    def embedded(match: re.Match[str]) -> str:
        file = root / match["file"]
        if not file.exists():
            raise UserError(f"{match['file']} is missing, whose table a page shows; restore it with git checkout")
        return f"<!-- table: {match['file']} -->\n\n{file.read_text().strip()}\n\n<!-- end of table -->"

    return EMBEDDED.sub(embedded, text)


def with_numbers(text: str, page: Path, numbers: Mapping[str, Any], found: pd.DataFrame) -> str:
    """``text`` with every placed number as its place has it.

    Raises
    ------
    UserError
        A place does not exist or stands after no number, or a sentence no longer holds; the message names all of them.
    """
    wrong = [
        *_wrong_places(text, numbers),
        *_wrong_sentences(text, numbers, dict(zip(found["name"], found["verdict"], strict=True))),
    ]
    if wrong:
        raise UserError(f"{page} does not fit reports/metrics.json:\n" + "\n".join(wrong))
    return PLACED.sub(lambda match: f"{number(value_at(numbers, match['place']))}<!-- {match['place']} -->", text)


def _wrong_places(text: str, numbers: Mapping[str, Any]) -> Iterator[str]:
    for match in PLACED.finditer(text):
        if match["number"] is None:
            yield f"line {_line(text, match)}: no number before <!-- {match['place']} -->"
        elif not isinstance(value_at(numbers, match["place"]), int | float):
            yield f"line {_line(text, match)}: there is no number at {match['place']}"


def _wrong_sentences(text: str, numbers: Mapping[str, Any], verdicts: Mapping[str, str]) -> Iterator[str]:
    for match in CONDITION.finditer(text):
        left, relation, right = match["left"], match["relation"], match["right"]
        if relation == "is":
            holds, now = verdicts.get(left) in right.split(" or "), verdicts.get(left, "no claim of that name")
        elif relation in RELATIONS:
            sides = [_operand(numbers, side) for side in (left, right)]
            holds = None not in sides and RELATIONS[relation](*sides)
            now = " and ".join("no number" if side is None else str(side) for side in sides)
        else:
            holds, now = False, f"{relation} is none of is, {', '.join(RELATIONS)}"
        if not holds:
            yield f"line {_line(text, match)}: written while {left} {relation} {right}; now: {now}"


def _operand(numbers: Mapping[str, Any], side: str) -> float | int | None:
    """A number as it stands, or the one at a place."""
    found = float(side) if LITERAL.fullmatch(side) else value_at(numbers, side)
    return found if isinstance(found, int | float) else None


def _line(text: str, match: re.Match[str]) -> int:
    return text.count("\n", 0, match.start()) + 1


def value_at(numbers: Any, place: str) -> Any:
    """The value at a dotted place, whose keys may hold dots themselves; None where there is none."""
    if not isinstance(numbers, Mapping):
        return None
    if place in numbers:
        return numbers[place]
    deeper = (value_at(numbers[key], place.removeprefix(f"{key}.")) for key in numbers if place.startswith(f"{key}."))
    return next((value for value in deeper if value is not None), None)
