"""Why a claim deviates from the paper: a cause with the row that shows it, or what was tried without finding one."""

from dataclasses import dataclass

from sedlib.report.claims.claim import Claim
from sedlib.report.claims.definitions import FIRST_LAYER, MEMORISED, STOP_STEP
from sedlib.report.claims.verdicts import CONTRADICTED, OUTSIDE, SAME

DEVIATES = (CONTRADICTED, OUTSIDE, SAME)
NOTHING_TRIED = "nothing yet"


@dataclass(frozen=True)
class Found:
    """A cause that was measured."""

    sentence: str
    table: str | None = None
    """In reports/tables, or with its folder, without its ending."""
    row: str | None = None
    """What stands in a cell of the table's row."""
    definition: str | None = None
    """The other definition that shows the cause, where one does."""

    def __str__(self) -> str:
        shown = f"{self.table}.csv, {self.row}" if self.table else f"see the definition: {self.definition}"
        return f"{self.sentence} ({shown})"


@dataclass(frozen=True)
class NotFound:
    """A deviation of which no cause was measured."""

    tried: str

    def __str__(self) -> str:
        return f"Cause not found; tried: {self.tried}"


@dataclass(frozen=True)
class NoBetter:
    """No deviation: the rule of the claim has no better verdict."""

    why: str = "the paper prints a direction and no number"

    def __str__(self) -> str:
        return f"No deviation: {self.why}"


Cause = Found | NotFound | NoBetter

STOPS = Found(
    "The paper's tables have the step at which a run stops, the 20th evaluation with 98 %; here it is the first",
    definition=STOP_STEP,
)
AFTER_GROKKING = "sweeps/after_grokking/since"
DEFINITIONS_TABLE = "sweeps/definitions/definitions"
CAUSES: dict[str, Cause] = {
    "gradient-peak": Found(
        "R̄ rises after grokking, and a run here ends soon after its grok step. On sq, the one operation below the "
        "paper's range, runs that go on pass through the range",
        AFTER_GROKKING,
        "gradient sq",
    ),
    "gradient-over-update": Found(
        "A run here ends soon after its grok step. In runs that stop 1,500 steps after it the ratio is inside the "
        "paper's range on every operation. On sub the mean stays below, and the interval only touches the range",
        AFTER_GROKKING,
        "gradient over update sub",
    ),
    "gradient-by-operation": Found(
        "R̄ rises after grokking, and a run here ends soon after its grok step. In runs that stop 1,000 steps after it "
        "every operation is inside the paper's range",
        AFTER_GROKKING,
        "gradient add",
    ),
    "update-by-operation": NotFound(
        "windows held at the end, as in the scripts (sweeps/definitions), and runs that go on after grokking "
        "(sweeps/after_grokking): both raise the peak, which is too high on sub, mul and sq"
    ),
    "update-decays": NotFound(
        "runs that go on after grokking (sweeps/after_grokking), in which the update's coupling falls for 500 to 1,000 "
        "steps, not to the paper's values on sub, mul and sq, and then rises"
    ),
    "per-example-cosine": NotFound("three seeds, all of which are above the paper's range after grokking"),
    "epsilon": NotFound(
        "runs that go on after grokking, in which R₁ at W = 20 jumps past the paper's value at one checkpoint. From "
        "one ε to the next it falls by the same factor as in the paper, within a tenth"
    ),
    "op-spread": Found(
        "When a run stops decides. In runs that go on, the gradient's peaks differ more than the update's up to 1,000 "
        "steps after grokking and less from 2,000 steps on, both in each of three seeds. A run here ends soon after "
        "its grok step",
        AFTER_GROKKING,
        "gradient less update: largest over smallest operation all",
    ),
    "ceiling": NoBetter(),
    "window": Found(
        "When a run stops explains W = 1: in runs that go on, R₁ is inside 1,000 and 1,500 steps after grokking. It "
        "does not explain W = 20 and W = 40, of which R₁ jumps past the paper's values at one checkpoint of its run, "
        "step 3,900. Over three seeds the mean is below these values after 500 steps and above them after 1,000 (rows "
        "of R1 at W = 20 and W = 40, add)",
        AFTER_GROKKING,
        "R1 at W = 1 add",
    ),
    "multitask-per-op": Found(
        "The scripts draw a gradient batch and probes for each operation. With these R̄ is higher, and inside the "
        "paper's range for every operation",
        DEFINITIONS_TABLE,
        "multitask-per-op final R̄ of add",
    ),
    "aggregation": Found(
        "Before grokking the sum of the gradients keeps nearly all of the coupling. Per-coordinate scaling and the sum "
        "of the steps between checkpoints remove most of it",
        "ladder",
        "aggregate gradient",
    ),
    "multitask-window": Found(
        "One gradient already holds the direction. A window mixes in gradients of earlier checkpoints",
        "multitask",
        "W = 1 final",
    ),
    "adamw": Found(
        "Weight decay does not reduce the coupling. The paper names weight decay and does not measure its effect alone",
        "ladder",
        "step without decay",
    ),
    "update-remove-sed": STOPS,
    "update-keep-sed": STOPS,
    "update-keep-random": STOPS,
    "gradient-keep-sed": STOPS,
    "gradient-keep-random": Found(
        f"{STOPS.sentence}. This explains most of the deviation on add, and not all of it",
        definition=STOP_STEP,
    ),
    "freeze": Found(
        "Three random directions let half a per cent of a step's norm through. To keep them is to freeze attention",
        "table4-update-projection",
        "freeze",
    ),
    "rank-curve": Found(
        "Any number of coordinates that lets little of a step through gives the same speed-up", "rank-curve", "1,311"
    ),
    "directions": Found(
        "Under update projection the SED basis of the steps before projection holds most of a step, and random "
        "directions hold next to nothing. Size alone is not the reason: one SED direction holds a third of a step, and "
        "coordinates that hold as much speed grokking up. Under gradient projection three SED directions hold a "
        "quarter, and coordinates that hold more speed grokking up more. What else differs is not known",
        "sweeps/doses/shares",
        "update SED directions",
    ),
    "history": Found(
        "Steps after projection already lie in the basis of such steps. To keep this basis lets a twentieth of a "
        "step's norm through, which is nearly to freeze attention. This explains keeping alone. That removing it under "
        "update projection speeds grokking up about half as much as removing the basis of steps before projection is "
        "unexplained",
        "table4-update-projection",
        "keep-sed",
    ),
    "weight-decay-0": NoBetter(),
    "pc1": Found(
        "The paper's range is that of the first layer, up to the step at which the companion's scripts stop; here it "
        "is of both layers, and a run goes on for longer. Neither suffices alone. No matrix has the range's upper end, "
        "which is of a slower regime with three layers",
        definition=FIRST_LAYER,
    ),
    "lead": Found(
        "Defects are measured every 200 steps here, so that an onset is late by up to 200, which turns the lead of "
        "sq-42 negative. Measured every 100 steps, as in the scripts, all leads are positive",
        DEFINITIONS_TABLE,
        "lead runs with a positive lead",
    ),
    "defect-growth": Found(
        "The scripts measure every 100 steps, by differences in float32, have three runs that never grok, and let the "
        "others go on for 1,100 to 1,300 steps after their grok step. By this definition the three runs grow no more "
        "than in the paper (sweeps/definitions), and the smallest growth of a run that groks passes the paper's "
        "between 1,500 and 2,000 steps after its grok step. Here runs end sooner",
        AFTER_GROKKING,
        "smallest growth of the defect all",
    ),
    "share": Found(
        "The paper's scripts take the singular directions of the weights, and its range is of the phase in which a run "
        "has memorised. The paper's text takes the principal components of the trajectory, and so does this verdict",
        definition=MEMORISED,
    ),
}
"""By the claim's name. The cause of a claim that holds is not shown."""


def cause_of(claim: Claim) -> Cause | None:
    """Why a claim deviates; None for one that does not."""
    return CAUSES.get(claim.name, NotFound(NOTHING_TRIED)) if claim.verdict in DEVIATES else None
