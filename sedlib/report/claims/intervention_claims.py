"""Claims about training with a part of each step of the attention slots (arXiv 2604.25143, section 5)."""

import math
from collections.abc import Iterator

from sedlib.report.claims.basis_claims import COMMAND, INTERVENED, TABLES, directions, history, speedup_of
from sedlib.report.claims.claim import EACH_OPERATION, Claim, Implied, Source, alone, beside, listed, weakest
from sedlib.report.claims.verdicts import ABOUT, CONTRADICTED, NOT_RUN, SAME, TOLERANCE, verdict
from sedlib.report.metrics.reading import Numbers, by_seed, nested
from sedlib.report.numbers import paper
from sedlib.report.numbers.digits import NOTHING, number
from sedlib.report.numbers.seeds import estimate
from sedlib.terms.condition import FREEZE, Condition

SPEEDUPS = (
    ("update", "remove-sed", "Removing the SED directions from the update speeds grokking up"),
    ("gradient", "remove-sed", "Removing the SED directions from the gradient changes nothing"),
    ("update", "remove-random", "Removing three random directions from the update changes nothing"),
    ("gradient", "remove-random", "Removing three random directions from the gradient changes nothing"),
    ("update", "keep-sed", "Keeping only three SED directions of the update speeds grokking up"),
    ("gradient", "keep-sed", "Keeping only three SED directions of the gradient speeds grokking up"),
    ("update", "keep-random", "Keeping only three random directions of the update speeds grokking up"),
    ("gradient", "keep-random", "Keeping only three random directions of the gradient speeds grokking up"),
)
PAPERS_RANK = 3
LATER = Implied(1.0, math.inf, "above 1")
"""Grok steps of frozen attention over those of three directions, if these are why it groks."""


def intervention_claims(numbers: Numbers) -> Iterator[Claim]:
    """Speed-ups one by one, then what they say of rank, direction and history; weight decay 0."""
    for projection, condition, sentence in SPEEDUPS:
        yield _speedup(numbers, projection, condition, sentence)
    yield _freeze(numbers)
    yield _rank_curve(numbers)
    yield directions(numbers)
    yield history(numbers)
    yield _weight_decay(numbers)


def _speedup(numbers: Numbers, projection: str, condition: str, sentence: str) -> Claim:
    found = {op: speedup_of(numbers, projection, op, condition) for op in INTERVENED}
    there = {op: speedup for op, speedup in found.items() if speedup}
    reported = {op: paper.speedup(projection, op, condition) for op in INTERVENED}
    return Claim(
        f"{projection}-{condition}",
        sentence,
        "speed-up over the control",
        ", ".join(f"{op} {value}" for op, value in reported.items() if value),
        listed(there),
        weakest(verdict(speedup, reported[op]) for op, speedup in there.items() if reported[op]),
        EACH_OPERATION,
        Source("speedups", TABLES[projection], f"{COMMAND}  # {projection}-{condition}"),
        beside(there, reported),
    )


def _freeze(numbers: Numbers) -> Claim:
    """Frozen attention against three random directions, seed by seed, update projection."""
    pairs: dict[tuple[str, int], tuple[float | int, float | int]] = {}
    for op, found in (nested(numbers, "interventions", "update") or {}).items():
        frozen, kept = (by_seed(found.get(condition.name)) for condition in (FREEZE, Condition("keep", "random")))
        pairs |= {(op, seed): (frozen[seed], kept[seed]) for seed in frozen if seed in kept}
    ratios: dict[str, list[float]] = {}
    for (op, _), (first, second) in pairs.items():
        ratios.setdefault(op, []).append(first / second)
    return Claim(
        "freeze",
        "Grokking speeds up because three directions of attention's steps are kept",
        "grok step with attention frozen / with three random directions kept",
        "rank-specific",
        "; ".join(
            f"{op}, seed {seed}: {number(first)} / {number(second)}" for (op, seed), (first, second) in pairs.items()
        )
        or NOTHING,
        NOT_RUN if not pairs else CONTRADICTED if all(first <= second for first, second in pairs.values()) else SAME,
        f"{SAME} if under update projection, where frozen attention does not move at all, frozen attention groks "
        "later than three random directions for some operation and seed, "
        f"else {CONTRADICTED}",
        Source("figure5-interventions-update", TABLES["update"], f"{COMMAND}  # update-freeze, update-keep-random"),
        beside({op: estimate(of_op) for op, of_op in ratios.items()}),
        LATER,
    )


def _rank_curve(numbers: Numbers) -> Claim:
    """Speed-up by the number of coordinates."""
    swept = nested(numbers, "rank_sweep") or {}
    speedups = {int(kept): found["speedup"] for kept, found in swept.items() if found["speedup"]}
    three = speedups.get(PAPERS_RANK)
    others = [value for kept, value in speedups.items() if kept != PAPERS_RANK]
    there = three is not None and bool(others)
    alike = there and any(abs(value / three - 1) <= TOLERANCE for value in others)
    return Claim(
        "rank-curve",
        "Three is the number of directions that speeds grokking up",
        "speed-up by the number of attention coordinates that may move",
        "rank-specific",
        ", ".join(f"{kept:,}: {number(speedups[kept])}" for kept in sorted(speedups)) or NOTHING,
        NOT_RUN if not there else CONTRADICTED if alike else SAME,
        f"{SAME} if no other number of coordinates has the speed-up of three within {ABOUT}, else {CONTRADICTED}",
        Source("rank-curve", "rank-curve", "dvc repro interventions/dvc.yaml:coordinates"),
        beside(alone({f"{kept:,}": speedups[kept] for kept in sorted(speedups)})),
    )


def _weight_decay(numbers: Numbers) -> Claim:
    found = nested(numbers, "weight_decay_0") or {}
    of_paper = {name: found[name] for name in paper.NEVER_GROK_WITHOUT_DECAY if name in found}
    grokked = [name for name, values in of_paper.items() if values["grokked"]]
    complete = len(of_paper) == len(paper.NEVER_GROK_WITHOUT_DECAY)
    return Claim(
        "weight-decay-0",
        f"Without weight decay no run groks within {paper.STEPS_WITHOUT_DECAY:,} steps",
        "conditions that grok",
        f"none of {', '.join(paper.NEVER_GROK_WITHOUT_DECAY)}",
        (", ".join(grokked) + " grok" if grokked else f"none of {', '.join(found)}") if found else NOTHING,
        CONTRADICTED if grokked else SAME if complete else NOT_RUN,
        f"{CONTRADICTED} if one of the paper's conditions groks, else {SAME} where all of them were run",
        Source(None, "weight-decay-0", "dvc repro interventions/dvc.yaml:without_weight_decay"),
        counted="1",
    )
