"""What was found, in five sentences; each says what its numbers and verdicts allow."""

from collections.abc import Mapping

from sedlib.report.claims.claim import Claim
from sedlib.report.claims.listing import all_claims
from sedlib.report.claims.scoreboard import span_here
from sedlib.report.claims.verdicts import CONTRADICTED, INSIDE, NOT_RUN, SAME
from sedlib.report.metrics.reading import Numbers

HOLDS = (INSIDE, SAME)
SENTENCES: tuple[tuple[Mapping[str, tuple[str, ...]], str], ...] = (
    (
        {"gradient-peak": HOLDS, "update-peak": HOLDS},
        "Directions of the loss gradient move the network's features {gradient-peak} times as much as random "
        "directions do, directions of the optimizer's update {update-peak} times: the paper's measurement reproduces.",
    ),
    (
        {"ceiling": HOLDS, "multitask-window": (CONTRADICTED,)},
        "A window of gradients adds nothing to one gradient, which has {ceiling} times the window's peak on one "
        "operation and {multitask-window} times its final value in a network of four.",
    ),
    (
        {"multitask-update": HOLDS, "aggregation": (CONTRADICTED,)},
        "In a network of four operations the update's directions move features less than random directions do, "
        "{multitask-update} times, but not because gradients are summed: the sum keeps {aggregation} of the coupling.",
    ),
    (
        {"update-keep-random": HOLDS, "freeze": (CONTRADICTED,), "directions": (CONTRADICTED,)},
        "A network whose attention moves in three random directions alone groks {update-keep-random} times as early, "
        "and so does a network whose attention is frozen: the rank has no part in it, but which directions are kept or "
        "removed matters.",
    ),
    (
        {"lead": HOLDS, "share": (CONTRADICTED,)},
        "The commutator defect rises {lead} steps before held-out accuracy does in the mean, but the commutator's "
        "share in the execution basis is no more than {share} times its share in a random subspace.",
    ),
)
"""Verdicts on which a sentence stands, and the sentence, with the ranges of claims."""


def findings(numbers: Numbers) -> list[str]:
    """The sentences; in place of one that does not hold, the claims that it is about with their verdicts."""
    found = {claim.name: claim for claim in all_claims(numbers)}
    spans = {name: span_here(claim) for name, claim in found.items()}
    return [
        sentence.format(**spans)
        if all(found[name].verdict in allowed for name, allowed in needed.items())
        else " ".join(_plainly(found[name]) for name in needed)
        for needed, sentence in SENTENCES
    ]


def _plainly(claim: Claim) -> str:
    numbers = "" if claim.verdict == NOT_RUN else f", paper {claim.paper}, here {span_here(claim)}"
    return f"{claim.sentence}: {claim.verdict}{numbers}."
