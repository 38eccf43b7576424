"""Claims about networks that learn several operations (arXiv 2604.25143, section 4)."""

import math
from collections.abc import Iterator

from sedlib.report.claims.claim import Claim, Implied, Source, beside, listed, of_range, per_op, weakest
from sedlib.report.claims.verdicts import CONTRADICTED, SAME
from sedlib.report.metrics.reading import Numbers
from sedlib.report.numbers import paper
from sedlib.report.numbers.seeds import Estimate

UPDATE = Source("figure3-multitask-update", "multitask", "dvc repro figures")
MULTITASK = Source("figure4-multitask-per-op", "multitask", "dvc repro figures")
HIDDEN = 0.5
"""Of an operation's own R̄: what less is left to a sum that hides the coupling."""
NEEDED = 1.0
"""R̄ of one gradient over its window's, below which the window is needed."""


def multitask_claims(numbers: Numbers) -> Iterator[Claim]:
    """The update, each operation's gradient, their aggregate, single rows."""
    yield of_range(
        "multitask-update",
        "In a network of four operations the update's basis moves centroids less than a random direction does",
        "final R̄",
        paper.MULTITASK_UPDATE,
        per_op(numbers, "multitask", "update_final"),
        UPDATE,
    )
    yield of_range(
        "multitask-per-op",
        "In a network of four operations each operation's own gradient recovers the coupling",
        "final R̄",
        paper.MULTITASK_PER_OP,
        per_op(numbers, "multitask", "per_op_final"),
        MULTITASK,
    )
    yield _aggregation(numbers)
    yield _single_rows(numbers)


def _aggregation(numbers: Numbers) -> Claim:
    return _ratio_below(
        numbers,
        "aggregation",
        "aggregate_over_per_op",
        HIDDEN,
        "Summing the operations' gradients hides the coupling",
        "final R̄ of the summed gradient / final R̄ of the operation's own gradient",
        "a general obstruction",
    )


def _single_rows(numbers: Numbers) -> Claim:
    return _ratio_below(
        numbers,
        "multitask-window",
        "w1_over_per_op",
        NEEDED,
        "A network of four operations needs a window of gradients to recover a direction",
        "final R̄ of one gradient / final R̄ of the window",
        "mechanically necessary",
    )


def below(ratio: Estimate, bound: float) -> str:
    """What one operation's ratio says of a claim that holds below ``bound``."""
    return SAME if ratio.mean < bound else CONTRADICTED


def _ratio_below(
    numbers: Numbers, name: str, key: str, bound: float, sentence: str, quantity: str, reported: str
) -> Claim:
    """A claim that holds if every operation's ratio lies below ``bound``."""
    ratios = per_op(numbers, "derived", "multitask", key)
    said = weakest(below(ratio, bound) for ratio in ratios.values())
    rule = f"{SAME} if every operation's ratio is below {bound:g}, else {CONTRADICTED}"
    implied = Implied(-math.inf, bound, f"below {bound:g}")
    return Claim(name, sentence, quantity, reported, listed(ratios), said, rule, MULTITASK, beside(ratios), implied)
