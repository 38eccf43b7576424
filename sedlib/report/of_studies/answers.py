"""An answer to a question: an estimate over seeds beside a threshold, and the verdict that follows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sedlib.report.numbers.digits import NOTHING
from sedlib.report.numbers.seeds import FEWEST_SEEDS, Estimate, estimate

YES, NO, OPEN, NOT_RUN = "yes", "no", "not settled", "not run"
FACTOR = 2.0
"""What counts as an effect: twice as much, or half."""


@dataclass(frozen=True)
class Question:
    """What is asked of every experiment, and what modular arithmetic answers."""

    name: str
    text: str
    quantity: str
    rule: str
    modular: str
    """The verdict on the papers' own runs (docs/results.md)."""


@dataclass(frozen=True)
class Answer:
    """One row of the table."""

    question: Question
    experiment: str
    about: str
    """A task, or a rung."""
    values: Sequence[float]
    """One for each seed."""
    verdict: str
    note: str = ""

    @property
    def estimate(self) -> Estimate | None:
        """Mean and interval over seeds."""
        return estimate(list(self.values)) if self.values else None

    def row(self) -> dict[str, str]:
        """As tables show it."""
        return {
            "question": self.question.text,
            "experiment": self.experiment,
            "of": self.about,
            "measured": f"{self.question.quantity}: {self.estimate or NOTHING}{self.note}",
            "verdict": self.verdict,
            "modular arithmetic": self.question.modular,
        }


def beyond(values: Sequence[float], threshold: float) -> str:
    """Yes where the interval lies above the threshold, no where it lies below.

    >>> beyond([3.0, 4.0, 5.0], 2.0), beyond([1.0, 1.1, 0.9], 2.0), beyond([1.0, 3.0, 4.0], 2.0), beyond([3.0], 2.0)
    ('yes', 'no', 'not settled', 'not settled')
    """
    if not values:
        return NOT_RUN
    found = estimate(list(values))
    if found.low is None or found.high is None:
        return OPEN
    return YES if found.low > threshold else NO if found.high < threshold else OPEN


def below(values: Sequence[float], threshold: float) -> str:
    """Yes where the interval lies below the threshold, no where it lies above."""
    return {YES: NO, NO: YES}.get(said := beyond(values, threshold), said)


def rules(questions: Sequence[Question]) -> Iterator[dict[str, str]]:
    """How verdicts are decided, a row for each question."""
    for question in questions:
        yield {"question": question.name, "rule": question.rule}


FEW = f"With fewer than {FEWEST_SEEDS} seeds nothing is settled."
