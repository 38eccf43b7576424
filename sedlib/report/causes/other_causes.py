"""Why a claim deviates under another definition than the text's."""

from collections.abc import Mapping

from sedlib.report.causes.text_causes import (
    AFTER_GROKKING,
    DEVIATES,
    NOTHING_TRIED,
    Cause,
    Found,
    NoBetter,
    NotFound,
    cause_of,
)
from sedlib.report.claims.claim import Claim, Judged
from sedlib.report.claims.definitions import (
    FIRST_LAYER,
    LATE,
    MEMORISED,
    PLATEAU,
    STOP_STEP,
    TEXT,
    THIRD_EVALUATION,
    WEIGHTS,
)

BEFORE_THE_PEAK = NoBetter("the paper's range is of peaks, and a plateau is a median up to the grok step")
OTHER_CAUSES: dict[tuple[str, str], Cause] = {
    ("gradient-peak", LATE): NotFound(
        "runs that go on after grokking, in which the peak of sq, the one operation below the paper's range, enters "
        "the range (sweeps/after_grokking/since.csv). A median of last checkpoints was not taken of these runs"
    ),
    ("gradient-peak", PLATEAU): BEFORE_THE_PEAK,
    ("gradient-over-update", PLATEAU): BEFORE_THE_PEAK,
    ("gradient-over-update", LATE): NotFound(
        "windows held at the end, as in the scripts, which on add raise the medians of gradient and update alike "
        "(sweeps/definitions/definitions.csv); runs that go on after grokking, of which peaks alone were taken"
    ),
    ("op-spread", LATE): NoBetter("the rule asks under which of the two the operations differ less"),
    ("op-spread", PLATEAU): Found(
        "A plateau is a median up to the grok step, and up to 1,000 steps after it the gradient's peaks differ more "
        "than the update's in each of three seeds, too",
        AFTER_GROKKING,
        "gradient less update: largest over smallest operation all",
    ),
    ("ceiling", PLATEAU): NoBetter(),
    ("ceiling", LATE): NotFound(
        "nothing beyond three seeds, which do not settle it: sq alone is below 1 in the mean, and its interval holds 1"
    ),
    ("gradient-keep-random", STOP_STEP): NotFound(
        "the stop step itself, which explains most of the deviation on add, and not all of it"
    ),
    ("pc1", THIRD_EVALUATION): Found(
        "The paper's range is that of the first layer, and the second has less",
        definition=FIRST_LAYER,
    ),
    ("share", MEMORISED): NotFound(
        "basis and phase of the scripts, which bring add and mul into the paper's range. On sub no seed reaches it, "
        "where the paper has one seed at its lower end; sq has no measurement in this phase, 200 steps apart"
    ),
    ("share", WEIGHTS): NotFound(
        "the basis of the scripts itself, which brings add, mul and sq into the paper's range, and sub on the paper's "
        "side of 1 alone"
    ),
}
"""By the claim's name and the definition."""


def cause_under(claim: Claim, judged: Judged) -> Cause | None:
    """Why a claim deviates under another definition; None where it does not."""
    if judged.verdict not in DEVIATES:
        return None
    return OTHER_CAUSES.get((claim.name, judged.definition), NotFound(NOTHING_TRIED))


def causes_of(claim: Claim) -> Mapping[str, str]:
    """By definition, the text's first, why a claim deviates, where it does."""
    found = {TEXT: cause_of(claim), **{judged.definition: cause_under(claim, judged) for judged in claim.others}}
    return {definition: str(cause) for definition, cause in found.items() if cause}
