"""What was found, in five points; each says what its numbers and verdicts allow."""

from collections.abc import Mapping

from sedlib.report.claims.claim import Claim
from sedlib.report.claims.verdicts import CONTRADICTED, INSIDE, NOT_RUN, SAME
from sedlib.report.judged.listing import all_claims
from sedlib.report.judged.scoreboard import span_here
from sedlib.report.metrics.reading import Numbers

HOLDS = (INSIDE, SAME)
SENTENCES: tuple[tuple[Mapping[str, tuple[str, ...]], str], ...] = (
    (
        {"gradient-peak": HOLDS, "update-peak": HOLDS},
        "At the peak, directions of the loss gradient move the network's features {gradient-peak} times as much as "
        "random directions do; directions of the optimizer's update move the features {update-peak} times as much. "
        "The paper's measurement reproduces.",
    ),
    (
        {"ceiling": HOLDS, "multitask-window": (CONTRADICTED,)},
        "One gradient is enough. Its peak R̄ is {ceiling} times the peak R̄ of a window of gradients in networks of "
        "one operation; its final R̄ is {multitask-window} times the window's in networks of four operations.",
    ),
    (
        {"multitask-update": HOLDS, "aggregation": (CONTRADICTED,)},
        "In a network of four operations the update's directions move features less than random directions do: "
        "{multitask-update} times as much. Summing the operations' gradients is not the reason: R̄ of the sum is "
        "{aggregation} times R̄ of one operation's gradient.",
    ),
    (
        {"update-keep-random": HOLDS, "freeze": (CONTRADICTED,), "directions": (CONTRADICTED,)},
        "A network whose attention moves along three random directions alone groks {update-keep-random} times as "
        "early as the control. A network whose attention is frozen groks as early, so that the number of directions is "
        "not the reason. Which directions are kept or removed does matter.",
    ),
    (
        {"lead": HOLDS, "share": (CONTRADICTED,)},
        "The commutator defect, a measure of curvature, rises {lead} steps before held-out accuracy, in the mean. "
        "Commutators do not favour the execution basis: their share in this basis is {share} times their share in a "
        "random subspace.",
    ),
)
"""The verdicts that a point needs, and the point, with the ranges of claims."""


def findings(numbers: Numbers) -> list[str]:
    """The points; in place of a point that does not hold, the claims that the point is about, with their verdicts."""
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
