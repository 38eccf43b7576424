"""What the templates of README and results may say: numbers, verdicts, tables, and text under a condition."""

import inspect
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeGuard, TypeVar

from sedlib.base.errors import UserError
from sedlib.base.yaml.yaml_file import read_mapping
from sedlib.report.claims.definitions import TEXT
from sedlib.report.judged.listing import QUESTIONS, all_claims, claims
from sedlib.report.judged.scoreboard import scoreboard, span_here
from sedlib.report.numbers.digits import NOTHING, number
from sedlib.report.page.outgoing import as_markdown, without_markup
from sedlib.report.page.table_words import TableWords
from sedlib.report.sweeps.sweep_claims import sweep_claims

Value = TypeVar("Value")
FILES = ("figure", "table")


class Vocabulary:
    """The functions of one page's template; ``problems`` are the lines that do not fit, each with its reason."""

    def __init__(self, root: Path, numbers: Mapping[str, Any]) -> None:
        self.root, self.numbers, self.found = root, numbers, claims(numbers)
        self.by_name = {claim.name: claim for claim in all_claims(numbers)}
        self.problems: list[tuple[int, str]] = []

    def functions(self) -> dict[str, Callable[..., Any]]:
        """By the names that templates call them."""
        return {
            "n": self.number,
            "verdict": self.verdict,
            "provided": self.provided,
            "table": self.table,
            "claims": self.claims,
            "sweep_claims": self.sweep_claims,
            "scoreboard": self.scoreboard,
            "span": self.span,
            "count": self.count,
            "paper": self.paper,
            "spread": self.spread,
            "setting": self.setting,
            **TableWords(self.root, self._refused).functions(),
        }

    def number(self, place: str) -> float | int:
        """The number at a dotted place of metrics.json."""
        value = value_at(self.numbers, place)
        if _is_number(value):
            return value
        return self._refused(f"there is no number at {place}", math.nan)

    def verdict(self, claim: str, definition: str = TEXT) -> str:
        """What the report says of a claim, by the claim's name, under one of its definitions."""
        found = self.by_name.get(claim)
        if found is None:
            return self._refused(f"there is no claim named {claim}", "")
        verdicts = {TEXT: found.verdict, **{judged.definition: judged.verdict for judged in found.others}}
        if definition not in verdicts:
            return self._refused(f"{claim} is judged under {', '.join(verdicts)}, and not under {definition}", "")
        return verdicts[definition]

    def span(self, claim: str) -> str:
        """From the smallest to the largest mean of a claim that has numbers."""
        found = self.by_name.get(claim)
        return span_here(found) if found and found.rows else self._refused(f"no claim named {claim} has numbers", "")

    def paper(self, claim: str, label: str | None = None) -> str:
        """What the paper has of a claim, by the claim's name, or of one number of it, by its label."""
        found = self.by_name.get(claim)
        if found is None:
            return self._refused(f"there is no claim named {claim}", "")
        if label is None:
            return found.paper
        stated = {row.label: str(row.paper) for row in found.rows if row.paper is not None}
        return stated.get(label) or self._refused(f"the paper has no number of {claim} for {label}", "")

    def spread(self, place: str, quantity: str) -> float:
        """The largest over the smallest of a quantity under a place of metrics.json, as an ablation's values."""
        under = value_at(self.numbers, place)
        found = [self.number(f"{place}.{key}.{quantity}") for key in under] if isinstance(under, Mapping) else []
        return max(found) / min(found) if found else self._refused(f"there is nothing under {place}", math.nan)

    def setting(self, place: str, file: str = "params.yaml", times: float | int = 1) -> float | int:
        """The number at a dotted place of a file of parameters, ``times`` so much."""
        try:
            value = value_at(read_mapping(self.root / file), place)
        except UserError as error:
            return self._refused(str(error), 0)
        return times * value if _is_number(value) else self._refused(f"{file} has no number at {place}", 0)

    def count(self, *verdicts: str) -> int:
        """How many claims have one of these verdicts; all claims, where none is named."""
        return sum(not verdicts or claim.verdict in verdicts for claim in self.by_name.values())

    def provided(self, line: int, holds: bool, asked: Mapping[str, Any], caller: Callable[[], str]) -> str:
        """The text inside the block; refused where its condition does not hold."""
        if not holds:
            now = " and ".join(f"{name} is {value}" for name, value in asked.items())
            self.problems.append((line, f"the condition of this text does not hold; now: {now}"))
        return caller()

    def table(self, file: str, command: str | None = None) -> str:
        """A Markdown table of the repository; where it is not there, the command that computes it, if one is given."""
        path = self.root / file
        if path.exists():
            return path.read_text().strip()
        if command is not None:
            return f"Not computed yet: `{command}`."
        return self._refused(f"{file} is missing; restore it with git checkout", "")

    def claims(self, question: str | None = None) -> str:
        """All claims, or a question's, with links from docs/ to figure and table, and the command as code."""
        if question is not None and question not in QUESTIONS:
            return self._refused(f"there is no question {question}", "")
        names = list(self.by_name) if question is None else QUESTIONS[question]
        shown = without_markup(self.found[self.found["name"].isin(names)].drop(columns="name"))
        if question is None:
            for column in FILES:
                shown[column] = [_linked(file, Path(file).stem, column) for file in shown[column]]
            shown["command"] = [f"`{command}`" for command in shown["command"]]
        else:
            links = zip(*([_linked(file, column, column) for file in shown[column]] for column in FILES), strict=True)
            shown = shown.drop(columns=[*FILES, "command"]).assign(see=[", ".join(both) for both in links])
        return str(shown.to_markdown(index=False))

    def sweep_claims(self) -> str:
        """The claims that only sweeps judge, with links from docs/ to their tables."""
        found = without_markup(sweep_claims(self.root))
        found["table"] = [f"[{Path(file).parent.name}](../{file})" for file in found["table"]]
        return str(found.to_markdown(index=False))

    def scoreboard(self) -> str:
        """Six claims, one number or range a cell."""
        return as_markdown(scoreboard(self.numbers)).strip()

    def _refused(self, reason: str, instead: Value) -> Value:
        self.problems.append((_line_of_caller(), reason))
        return instead


def typed(text: str, source: str) -> str:
    """``text``, whose numbers somebody typed by hand from ``source``: no place of metrics.json has them."""
    return text


def printed(value: object) -> str:
    """What a tag prints: numbers as everywhere in the report, text as it is."""
    return number(value) if isinstance(value, int | float) else str(value)


def value_at(numbers: Any, place: str) -> Any:
    """The value at a dotted place, whose keys may hold dots themselves; None where there is none."""
    if not isinstance(numbers, Mapping):
        return None
    if place in numbers:
        return numbers[place]
    deeper = (value_at(numbers[key], place.removeprefix(f"{key}.")) for key in numbers if place.startswith(f"{key}."))
    return next((value for value in deeper if value is not None), None)


def _is_number(value: object) -> TypeGuard[float | int]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _line_of_caller() -> int:
    """The line of the template that is being rendered, found as Jinja finds it for its tracebacks."""
    frame = inspect.currentframe()
    while frame and "__jinja_template__" not in frame.f_globals:
        frame = frame.f_back
    return frame.f_globals["__jinja_template__"].get_corresponding_lineno(frame.f_lineno) if frame else 0


def _linked(file: str, text: str, kind: str) -> str:
    """A file of the report as docs/ links to it."""
    return file if file == NOTHING else f"[{text}](../reports/{kind}s/{file})"
