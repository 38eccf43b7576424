"""Why a claim deviates from the paper: a cause with the row that shows it, or what was tried without finding one."""

from dataclasses import dataclass

from sedlib.report.claims.claim import Claim
from sedlib.report.claims.definitions import STOP_STEP, THIRD_EVALUATION, WEIGHTS
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
    """No deviation: the rule of the claim has no better verdict, as the paper prints a direction and no number."""

    def __str__(self) -> str:
        return "No deviation: the paper prints a direction and no number"


Cause = Found | NotFound | NoBetter

STOPS = Found(
    "The paper's tables have the step at which a run stops, the 20th evaluation with 98 %; here it is the first",
    definition=STOP_STEP,
)
AFTER_GROKKING = "sweeps/after_grokking/since"
DEFINITIONS_TABLE = "sweeps/definitions/definitions"
CAUSES: dict[str, Cause] = {
    "gradient-peak": Found(
        "R̄ rises after grokking, and a run here ends soon after its grok step. Runs that go on pass through the "
        "paper's range",
        AFTER_GROKKING,
        "gradient add",
    ),
    "update-peak": Found(
        "The update's R̄ falls until grokking and rises after it, so that its peak depends on when a run stops",
        AFTER_GROKKING,
        "update add",
    ),
    "gradient-over-update": Found(
        "A run here ends soon after its grok step. In runs that go on the ratio rises to the paper's range",
        AFTER_GROKKING,
        "gradient over update add",
    ),
    "op-spread": Found(
        "When a run stops decides. Soon after grokking the gradient's peaks differ more than the update's, and in runs "
        "that go on longest less, as in the paper",
        AFTER_GROKKING,
        "update: largest over smallest operation all",
    ),
    "ceiling": NoBetter(),
    "per-example": Found(
        "R̄ of per-example gradients rises after grokking. The paper's last value comes out of a run that goes on for "
        "longer than those here",
        AFTER_GROKKING,
        "per-example gradients, at the stop add",
    ),
    "window": Found(
        "R₁ depends on when a run stops. The paper's value at W = 1 comes out of a run that goes on, those at longer "
        "windows of one that goes on less",
        AFTER_GROKKING,
        "R1 at W = 1 add-42",
    ),
    "centroid-rank": Found(
        "The rank rises and collapses as in the paper. After grokking the rank goes on falling, so that the last value "
        "depends on how long a run goes on",
        "centroids",
        "after",
    ),
    "multitask-per-op": Found(
        "The scripts draw a gradient batch and probes for each operation. With these R̄ is higher, and inside the "
        "paper's range for every operation",
        DEFINITIONS_TABLE,
        "multitask-per-op final R̄ of add",
    ),
    "aggregation": Found(
        "Per-coordinate scaling and the sum of the steps between checkpoints remove most of the coupling. The sum of "
        "the gradients removes little",
        "multitask",
        "aggregate gradient final",
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
    "gradient-keep-random": STOPS,
    "freeze": Found(
        "Three random directions let half a per cent of a step's norm through. To keep them is to freeze attention",
        "table4-update-projection",
        "freeze",
    ),
    "rank-curve": Found(
        "Any number of coordinates that lets little of a step through gives the same speed-up", "rank-curve", "1,311"
    ),
    "directions": Found(
        "The SED basis of the steps before projection holds most of a step. Random directions hold next to nothing of "
        "a step",
        "table4-update-projection",
        "keep-sed-raw",
    ),
    "history": Found(
        "Steps after projection already lie in the basis, so that the basis hardly changes. To keep such a basis is to "
        "freeze attention",
        "table4-update-projection",
        "keep-sed",
    ),
    "weight-decay-0": NoBetter(),
    "pc1": Found(
        "The upper end of the paper's range is of its slow regime. A run here goes on for longer than a run of the "
        "companion paper",
        definition=THIRD_EVALUATION,
    ),
    "lead": Found(
        "One run of twelve: sq-42 has most held-out answers right before its defect rises. An earlier run of this "
        "seed, whose matrices another library multiplied, had a positive lead; nobody ran both with all else equal",
        "leads",
        "sq-42",
    ),
    "defect-growth": Found(
        "Growth divides by the first measurements, which the scripts take every 100 steps and this pipeline every 200. "
        "Measured as in the scripts the smallest growth is six times as large, and the other runs' largest growth four "
        "times, so that a part of the deviation stays",
        DEFINITIONS_TABLE,
        "defect-growth smallest growth of the runs that grok",
    ),
    "share": Found(
        "The paper's scripts take the singular directions of the weights. The paper's text takes the principal "
        "components of the trajectory, and so does this verdict",
        definition=WEIGHTS,
    ),
}
"""By the claim's name. The cause of a claim that holds is not shown."""


def cause_of(claim: Claim) -> Cause | None:
    """Why a claim deviates; None for one that does not."""
    return CAUSES.get(claim.name, NotFound(NOTHING_TRIED)) if claim.verdict in DEVIATES else None
