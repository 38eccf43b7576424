"""Claims about the coupling of centroids to gradients and updates (arXiv 2604.25143)."""

import math
from collections.abc import Iterator

from sedlib.report.claims.claim import Claim, Implied, Source, beside, listed, of_range, per_op, weakest
from sedlib.report.claims.multitask_claims import multitask_claims
from sedlib.report.claims.setting_claims import left_open, phases, ranks, settings, window
from sedlib.report.claims.table_claims import epsilon, operation_claims, per_example_cosine
from sedlib.report.claims.verdicts import CONTRADICTED, NOT_RUN, SAME
from sedlib.report.metrics.reading import Numbers, estimated, nested, not_controls, shown
from sedlib.report.numbers import paper
from sedlib.report.numbers.collection import KINDS
from sedlib.report.numbers.digits import NOTHING
from sedlib.report.numbers.seeds import Estimate
from sedlib.terms.stream_names import TOTAL_GRADIENT

UPDATE = Source("figure1-update-sed", "table1-single-task", "dvc repro figures")
GRADIENT = Source("figure2-gradient-sed", "table1-single-task", "dvc repro figures")
AT_LEAST_ONE = Implied(1.0, math.inf, "at least 1")
LESS_THAN_ONE = Implied(-math.inf, 1.0, "below 1")
PARTS = {
    "momentum": "momentum",
    "scaling": "scaling",
    "decay": "decay",
    "interval": "the sum of the steps between checkpoints (not in the paper)",
}
LABELS = {"interval": "step sum"}
"""Short names of parts, where a label is narrow."""
KIND_NAMES = {"single_task": "single-task", "multitask": "multitask"}
LADDER = Source("ladder", "ladder", "dvc repro figures")


def coupling_claims(numbers: Numbers) -> Iterator[Claim]:
    """In the paper's order: single task, ablations, multitask, the ladder."""
    yield of_range(
        "gradient-peak",
        "The gradient's basis moves centroids far more than a random direction does",
        "peak R̄, one operation",
        paper.SINGLE_TASK_GRADIENT,
        per_op(numbers, "single_task", "gradient_peak"),
        GRADIENT,
    )
    yield of_range(
        "update-peak",
        "The update's basis moves centroids a few times as much as a random direction does",
        "peak R̄, one operation",
        paper.SINGLE_TASK_UPDATE,
        per_op(numbers, "single_task", "update_peak"),
        UPDATE,
    )
    yield of_range(
        "gradient-over-update",
        "The gradient's basis moves centroids tens of times as much as the update's basis does",
        "peak R̄ of the gradient / peak R̄ of the update, one operation",
        paper.GRADIENT_OVER_UPDATE,
        per_op(numbers, "derived", "single_task", "gradient_over_update"),
        GRADIENT,
    )
    yield from operation_claims(numbers)
    yield _spread(numbers)
    yield window(numbers)
    yield _ceiling(numbers)
    yield settings(numbers)
    yield epsilon(numbers)
    yield from left_open(numbers)
    yield ranks(numbers)
    yield phases(numbers)
    yield per_example_cosine(numbers)
    yield from multitask_claims(numbers)
    yield _adamw(numbers)


def _spread(numbers: Numbers) -> Claim:
    """Largest over smallest of the four operations of each seed; what decides is the difference of the two by seed.

    The paper prints other quantities: the ratio of means over seeds for the gradient, 219.9 / 120.7, and that of one
    seed for the update, 8.97 / 3.47.
    """
    update, gradient, difference = (
        estimated(nested(numbers, "derived", "spread", name)) for name in ("update", "gradient", "difference")
    )
    by_seed = f", difference by seed {shown(difference)}" if difference else ""
    return Claim(
        "op-spread",
        "The four operations differ less under the gradient than under the update",
        "largest peak R̄ of the four operations / smallest",
        f"update {paper.UPDATE_SPREAD}, gradient {paper.GRADIENT_SPREAD}",
        f"update {shown(update)}, gradient {shown(gradient)}{by_seed}" if update and gradient else NOTHING,
        NOT_RUN if not (update and gradient) else SAME if gradient.mean < update.mean else CONTRADICTED,
        f"{SAME} if the largest over the smallest peak, in the mean over seeds, is smaller under the gradient, "
        f"else {CONTRADICTED}",
        GRADIENT,
        beside(
            {name: found for name, found in (("update", update), ("gradient", gradient)) if found},
            {"update": paper.UPDATE_SPREAD, "gradient": paper.GRADIENT_SPREAD},
        ),
        contrast=difference,
    )


def _ceiling(numbers: Numbers) -> Claim:
    """The peak of W = 1 over the window's, seed by seed."""
    ratios = per_op(numbers, "derived", "single_task", "w1_over_gradient")
    return Claim(
        "ceiling",
        "One gradient alone, W = 1, couples at least as much as a window of gradients",
        "peak R̄ of one gradient / peak R̄ of the window",
        "the ceiling",
        listed(ratios),
        weakest(SAME if ratio.mean >= 1 else CONTRADICTED for ratio in ratios.values()),
        f"{SAME} if every operation's ratio, the mean over seeds, is at least 1, else {CONTRADICTED}",
        GRADIENT,
        beside(ratios),
        AT_LEAST_ONE,
    )


def _adamw(numbers: Numbers) -> Claim:
    """The factor that each part of AdamW leaves of the coupling."""
    kinds = {kind: nested(numbers, "derived", "left", kind) or {} for kind in KINDS}
    runs = not_controls(numbers, nested(numbers, "ladder") or {}).values()
    several = sum(TOTAL_GRADIENT in run for run in runs)
    counts = {"single_task": len(runs) - several, "multitask": several}
    factors = {
        name: {kind: factor for kind, left in kinds.items() if (factor := _factor(left, name, counts[kind]))}
        for name in PARTS
    }
    rows = {
        f"{LABELS.get(name, name)}, {KIND_NAMES[kind]}": factor
        for name, by_kind in factors.items()
        for kind, factor in by_kind.items()
    }
    listed_factors = (
        f"{PARTS[name]} {' / '.join(map(shown, by_kind.values()))}" for name, by_kind in factors.items() if by_kind
    )
    return Claim(
        "adamw",
        "Momentum, per-coordinate scaling and weight decay each reduce the coupling",
        "R̄ after a part of AdamW, divided by R̄ before: runs of one operation / of four operations",
        "three sources of contamination",
        ", ".join(listed_factors) or NOTHING,
        NOT_RUN if not rows else CONTRADICTED if any(row.mean >= 1 for row in rows.values()) else SAME,
        f"{SAME} if R̄ after momentum, scaling, decay and the sum of the steps between checkpoints is below R̄ before "
        f"each of them, in single-task and in multitask runs, else {CONTRADICTED}",
        LADDER,
        beside(rows),
        LESS_THAN_ONE,
        f"{counts['single_task']} and {counts['multitask']} runs",
    )


def _factor(left: Numbers, name: str, runs: int) -> Estimate | None:
    """What a part leaves of the coupling, over runs."""
    if left.get(name) is None:
        return None
    return estimated({"mean": left[name], "low": left.get(f"{name}_low"), "high": left.get(f"{name}_high"), "n": runs})
