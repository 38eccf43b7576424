"""Claims about the coupling of centroids to gradients and updates (arXiv 2604.25143)."""

from collections.abc import Iterator

from sedlib.report.claims.claim import Claim, Source, listed, of_range, per_op, weakest
from sedlib.report.claims.multitask_claims import multitask_claims
from sedlib.report.claims.setting_claims import left_open, phases, ranks, settings, window
from sedlib.report.claims.verdicts import CONTRADICTED, NOT_RUN, SAME
from sedlib.report.metrics.reading import Numbers, estimated, nested, shown
from sedlib.report.numbers import paper
from sedlib.report.numbers.collection import KINDS
from sedlib.report.numbers.digits import NOTHING, number

UPDATE = Source("figure1-update-sed", "table1-single-task", "dvc repro figures")
GRADIENT = Source("figure2-gradient-sed", "table1-single-task", "dvc repro figures")
LADDER = Source("ladder", "ladder", "dvc repro figures")


def coupling_claims(numbers: Numbers) -> Iterator[Claim]:
    """In the paper's order: single task, ablations, multitask, the ladder."""
    yield of_range(
        "gradient-peak",
        "Along the gradient's basis centroids move far more than along a random direction (peak R̄, single task)",
        paper.SINGLE_TASK_GRADIENT,
        per_op(numbers, "single_task", "gradient_peak"),
        GRADIENT,
    )
    yield of_range(
        "update-peak",
        "Along the update's basis they move a few times as much (peak R̄, single task)",
        paper.SINGLE_TASK_UPDATE,
        per_op(numbers, "single_task", "update_peak"),
        UPDATE,
    )
    yield of_range(
        "gradient-over-update",
        "The gradient raises the peak by this factor over the update",
        paper.GRADIENT_OVER_UPDATE,
        per_op(numbers, "derived", "single_task", "gradient_over_update"),
        GRADIENT,
    )
    yield _spread(numbers)
    yield window(numbers)
    yield _ceiling(numbers)
    yield settings(numbers)
    yield from left_open(numbers)
    yield ranks(numbers)
    yield phases(numbers)
    yield from multitask_claims(numbers)
    yield _adamw(numbers)


def _spread(numbers: Numbers) -> Claim:
    """Largest over smallest of the four operations, seed by seed."""
    update, gradient = (estimated(nested(numbers, "derived", "spread", name)) for name in ("update", "gradient"))
    return Claim(
        "op-spread",
        "The four operations differ less under the gradient than under the update (spread of the peaks)",
        f"update {paper.UPDATE_SPREAD}, gradient {paper.GRADIENT_SPREAD}",
        f"update {shown(update)}, gradient {shown(gradient)}" if update and gradient else NOTHING,
        NOT_RUN if not (update and gradient) else SAME if gradient.mean < update.mean else CONTRADICTED,
        f"{SAME} if the largest over the smallest peak, in the mean over seeds, is smaller under the gradient, "
        f"else {CONTRADICTED}",
        GRADIENT,
    )


def _ceiling(numbers: Numbers) -> Claim:
    """The peak of W = 1 over the window's, seed by seed."""
    ratios = per_op(numbers, "derived", "single_task", "w1_over_gradient")
    return Claim(
        "ceiling",
        "The gradient alone, W = 1, is the ceiling of what a window of gradients gives (its peak R̄ over the window's)",
        "the ceiling",
        listed(ratios),
        weakest(SAME if ratio.mean >= 1 else CONTRADICTED for ratio in ratios.values()),
        f"{SAME} if every operation's ratio, the mean over seeds, is at least 1, else {CONTRADICTED}",
        GRADIENT,
    )


def _adamw(numbers: Numbers) -> Claim:
    """The factor that each part of AdamW leaves of the coupling."""
    titles = {
        "momentum": "momentum",
        "scaling": "scaling",
        "decay": "decay",
        "interval": "(not in the paper) the steps between checkpoints",
    }
    kinds = {kind: nested(numbers, "derived", "left", kind) or {} for kind in KINDS}
    factors = {
        title: [left[name] for left in kinds.values() if name in left]
        for name, title in titles.items()
        if any(name in left for left in kinds.values())
    }
    return Claim(
        "adamw",
        "Momentum, scaling and weight decay each contaminate the update (factor of R̄ left, single task / multitask)",
        "three sources of contamination",
        ", ".join(f"{title} {' / '.join(map(number, left))}" for title, left in factors.items()) or NOTHING,
        NOT_RUN if not factors else CONTRADICTED if any(max(left) >= 1 for left in factors.values()) else SAME,
        f"{SAME} if momentum, scaling, decay and the steps between checkpoints each leave less than they found, in "
        f"single-task and in multitask runs, else {CONTRADICTED}",
        LADDER,
    )
