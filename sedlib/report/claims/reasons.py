"""Why a claim fails, in a sentence: what docs/results.md says at length. Of a claim that holds nothing is said."""

from sedlib.report.claims.claim import Claim
from sedlib.report.claims.verdicts import CONTRADICTED, OUTSIDE

WHY = {
    "op-spread": "A peak is one checkpoint at the end of a run, where R̄ rises: seeds and rounding move it more than "
    "the operations differ.",
    "centroid-rank": "The rank rises and collapses as in the paper; after grokking it goes on falling, and depends on "
    "how long a run goes on.",
    "aggregation": "Per-coordinate scaling and the sum of the steps between checkpoints take the coupling; the sum of "
    "the gradients takes little.",
    "multitask-window": "One gradient holds the direction already; a window mixes gradients of earlier checkpoints in.",
    "adamw": "Weight decay takes nothing; the paper names it, and does not measure it by itself.",
    "freeze": "Three random directions let half a per cent of a step's norm through: keeping them is frozen attention.",
    "rank-curve": "Any number of coordinates that lets little of a step through has the same effect.",
    "directions": "The SED basis holds most of a natural step, random directions hold next to nothing of it.",
    "history": "Steps after projection lie in the basis itself, so that the basis hardly changes any more: keeping it "
    "is frozen attention.",
    "pc1": "The matrix with the smallest share lies a few percentage points below the paper's range, whose ends come "
    "from two places in the paper.",
    "share": "The paper's scripts take the singular directions of the weights, its text the principal components of "
    "the trajectory, as here.",
}
"""By the claim's name."""


def why(claim: Claim) -> str | None:
    """Why a claim fails; None for one that holds, and where nobody knows."""
    return WHY.get(claim.name) if claim.verdict in (CONTRADICTED, OUTSIDE) else None
