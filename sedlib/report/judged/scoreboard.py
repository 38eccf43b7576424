"""The six claims that the README shows: one number or range a cell, with the intervals of its ends."""

import pandas as pd

from sedlib.report.claims.claim import Claim
from sedlib.report.claims.verdicts import CONTRADICTED, INSIDE, OUTSIDE, SAME
from sedlib.report.judged.listing import all_claims
from sedlib.report.metrics.reading import Numbers, shown
from sedlib.report.numbers.digits import NOTHING, spanned

SCORED = {
    "gradient-peak": "Gradient directions move features far more than random directions (peak R̄)",
    "update-peak": "Update directions move features a few times as much as random directions (peak R̄)",
    "aggregation": "Summing four tasks' gradients hides the coupling (R̄ of the sum / R̄ of one task's gradient)",
    "freeze": "Grokking is faster because three directions are kept (grok step: none kept / three kept)",
    "directions": "Any three directions will do (speed-up of grokking: SED directions / random directions)",
    "lead": "Curvature rises before held-out accuracy does (lead in steps)",
}
"""In the README's words."""
REPRODUCED = {INSIDE: "yes", SAME: "the direction only", CONTRADICTED: "**no**", OUTSIDE: "**no**"}
"""Answers by verdict; of other verdicts there is no answer."""
SIGNS = {INSIDE: "✓", SAME: "≈", CONTRADICTED: "✕", OUTSIDE: "✕"}
"""Before the claim: on a phone the last column is out of sight."""
NOT_PRINTED = "*"
"""Marks a range that the paper does not print: the rule of the verdict wants it."""


def scoreboard(numbers: Numbers) -> pd.DataFrame:
    """Claim, the paper's range, the smallest and the largest mean here, seeds, and whether it was reproduced."""
    found = {claim.name: claim for claim in all_claims(numbers)}
    return pd.DataFrame([_row(words, found[name]) for name, words in SCORED.items()])


def span_here(claim: Claim) -> str:
    """From the smallest to the largest of a claim's means."""
    means = [row.here.mean for row in claim.rows]
    return spanned(min(means), max(means)) if means else NOTHING


def ends_here(claim: Claim) -> str:
    """The smallest and the largest of a claim's means, each with its interval."""
    ends = sorted((row.here for row in claim.rows), key=lambda here: here.mean)
    return " to ".join(dict.fromkeys(map(shown, ends[:1] + ends[-1:]))) or NOTHING


def span_of_the_paper(claim: Claim) -> str:
    """From the paper's smallest to its largest number, or what the rule wants in its place."""
    if claim.implied:
        return f"{claim.implied.text}{NOT_PRINTED}"
    reported = [row.paper for row in claim.rows if row.paper]
    return spanned(min(one.low for one in reported), max(one.high for one in reported)) if reported else NOTHING


def _row(words: str, claim: Claim) -> dict[str, str]:
    return {
        "claim": f"{SIGNS.get(claim.verdict, NOTHING)} {words}",
        "paper": span_of_the_paper(claim),
        "here": ends_here(claim),
        "seeds": claim.seeds,
        "reproduced?": REPRODUCED.get(claim.verdict, NOTHING),
    }
