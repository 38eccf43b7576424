"""A row for each question and experiment: all tasks beside one another, the verdict, and whether it is the papers'."""

from collections.abc import Iterator, Sequence

import pandas as pd

from sedlib.report.numbers.digits import NOTHING, number
from sedlib.report.of_studies.answers import NO, OPEN, YES, Answer, Question
from sedlib.report.of_studies.questions import RUNG

SETTLED = (YES, NO)
SAME, OTHER, IN_PART = "yes", "no", "in part"
"""Whether modular arithmetic answers as this study does."""


def condensed(answered: Sequence[Answer]) -> pd.DataFrame:
    """The table that documents show."""
    return pd.DataFrame(list(_rows(answered)))


def _rows(answered: Sequence[Answer]) -> Iterator[dict[str, str]]:
    groups: dict[tuple[str, str], list[Answer]] = {}
    for answer in answered:
        groups.setdefault((answer.question.name, answer.experiment), []).append(answer)
    for (_, experiment), found in groups.items():
        question = found[0].question
        shown = [answer for answer in found if answer.verdict != NO] if question is RUNG else found
        yield {
            "question": question.text if question is not RUNG else "Which rungs lose the coupling?",
            "experiment": experiment,
            "measured": f"{question.quantity}: {_listed(shown)}",
            "verdict": _verdict(question, found),
            "modular arithmetic": question.modular,
            "the same": _same(question, found),
        }


def _listed(shown: Sequence[Answer]) -> str:
    return "; ".join(f"{answer.about} {_short(answer)}" for answer in shown) or "none below a half"


def _short(answer: Answer) -> str:
    found = answer.estimate
    if found is None or found.low is None or found.high is None:
        return (NOTHING if found is None else number(found.mean)) + answer.note
    return f"{number(found.mean)} [{number(found.low)}, {number(found.high)}]{answer.note}"


def _verdict(question: Question, found: Sequence[Answer]) -> str:
    if question is RUNG and not _is_open(found):
        lost = [answer.about.partition(", ")[2] for answer in found if answer.verdict == YES]
        return " and ".join(dict.fromkeys(lost)) or "none"
    said = {answer.verdict for answer in found}
    return said.pop() if len(said) == 1 else "; ".join(f"{answer.about}: {answer.verdict}" for answer in found)


def _same(question: Question, found: Sequence[Answer]) -> str:
    """Whether the settled answers are those of modular arithmetic."""
    if question is RUNG and not _is_open(found):
        return SAME if _verdict(question, found) == question.modular else OTHER
    settled = {answer.verdict == question.modular for answer in found if answer.verdict in SETTLED}
    if question.modular not in SETTLED or not settled:
        return NOTHING
    return IN_PART if len(settled) > 1 else SAME if settled.pop() else OTHER


def _is_open(found: Sequence[Answer]) -> bool:
    """Whether nothing is settled, as with few seeds."""
    return all(answer.verdict == OPEN for answer in found)
