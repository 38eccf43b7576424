"""Claims about the trajectory's geometry (arXiv 2602.16746): runs of one operation that are no controls."""

from collections.abc import Iterator

from sedlib.report.claims.claim import Claim, Source, of_range, weakest
from sedlib.report.claims.verdicts import CONTRADICTED, INSIDE, NOT_RUN, SAME, verdict
from sedlib.report.metrics.reading import Numbers, nested, not_controls
from sedlib.report.numbers import paper
from sedlib.report.numbers.digits import NOTHING, number
from sedlib.report.numbers.seeds import Estimate, estimate

COMMAND = "dvc repro geometry/dvc.yaml"
PC1 = Source("pc1", "geometry", COMMAND)
SHARE = Source("share", "geometry", COMMAND)
LEADS = Source("defect", "leads", COMMAND)
GROWTH = Source("defect", "defect-growth", COMMAND)
LEVEL = 0.05


def companion_claims(numbers: Numbers) -> Iterator[Claim]:
    """Straight trajectories; the defect's lead, growth and direction."""
    yield _pc1(numbers)
    yield of_range(
        "pc1-z",
        "That share is above random walks with the same steps (z, least of the matrices)",
        paper.PC1_Z,
        _over_seeds(numbers, "z_min"),
        PC1,
    )
    yield _lead(numbers)
    yield _growth(numbers)
    yield of_range(
        "rho",
        "Commutators lie across the execution basis (ρ, the part outside it)",
        paper.RHO,
        _over_seeds(numbers, "rho"),
        SHARE,
    )
    yield of_range(
        "share",
        "Yet they favour it over a random subspace (share inside over that of a random one)",
        paper.SHARE_OVER_RANDOM,
        _over_seeds(numbers, "share_over_random"),
        SHARE,
    )


def _over_seeds(numbers: Numbers, quantity: str) -> dict[str, Estimate]:
    """By operation, over the runs of it alone."""
    values: dict[str, list[float]] = {}
    for found in _of_one_operation(numbers):
        values.setdefault(found["ops"], []).append(float(found[quantity]))
    return {op: estimate(of_op) for op, of_op in values.items()}


def _of_one_operation(numbers: Numbers) -> list[Numbers]:
    runs = not_controls(numbers, nested(numbers, "geometry") or {}).values()
    return [found for found in runs if "+" not in found["ops"]]


def _pc1(numbers: Numbers) -> Claim:
    """Least and largest of the matrices, each against the range."""
    least, largest = (_over_seeds(numbers, f"pc1_{end}") for end in ("min", "max"))
    return Claim(
        "pc1",
        "One principal component holds most of each attention matrix's motion (PC1 %, least to largest matrix)",
        str(paper.PC1_PERCENT),
        ", ".join(f"{op} {number(least[op].mean)}–{number(largest[op].mean)}" for op in least) or NOTHING,
        weakest(verdict(found, paper.PC1_PERCENT) for ends in (least, largest) for found in ends.values()),
        "the weakest verdict on both ends in every operation, each a size",
        PC1,
    )


def _lead(numbers: Numbers) -> Claim:
    """How many runs have a positive lead, and the sign test."""
    test = nested(numbers, "leads", "single_task") or {}
    there = bool(test.get("n"))
    inside = there and test["positive"] == test["n"] and paper.LEAD.low <= test["mean"] <= paper.LEAD.high
    return Claim(
        "lead",
        "The commutator defect rises before test accuracy does (runs with a positive lead; mean lead in steps)",
        paper.LEAD.source,
        f"{test['positive']} of {test['n']}, mean {number(test['mean'])}, p = {number(test['p_value'])}"
        if there
        else NOTHING,
        NOT_RUN if not there else INSIDE if inside else SAME if test["p_value"] < LEVEL else CONTRADICTED,
        f"{INSIDE} if every lead is positive and their mean in the paper's range; else {SAME} if the sign test over "
        f"runs has p < {LEVEL}, else {CONTRADICTED}",
        LEADS,
    )


def _growth(numbers: Numbers) -> Claim:
    """Of the paper's runs that become accurate, and of all that do not, controls among them."""
    runs = nested(numbers, "geometry") or {}
    grokking = [
        float(found["defect_growth"]) for found in _of_one_operation(numbers) if found["accurate_step"] is not None
    ]
    others = [float(found["defect_growth"]) for found in runs.values() if found["accurate_step"] is None]
    there = bool(grokking and others)
    inside = (
        there
        and min(grokking) >= paper.DEFECT_GROWTH.low
        and (max(others) <= paper.DEFECT_GROWTH_WITHOUT_GROKKING.high)
    )
    cells = [
        *([f"at least {number(min(grokking))}"] if grokking else []),
        *([f"at most {number(max(others))}"] if others else []),
    ]
    return Claim(
        "defect-growth",
        "The defect grows far more in runs that grok (growth: the least of these, the most of the others)",
        f"at least {number(paper.DEFECT_GROWTH.low)}, at most {number(paper.DEFECT_GROWTH_WITHOUT_GROKKING.high)}",
        ", ".join(cells) or NOTHING,
        NOT_RUN if not there else INSIDE if inside else SAME if min(grokking) > max(others) else CONTRADICTED,
        f"{INSIDE} if both bounds of the paper hold; else {SAME} if the least growth of the paper's runs that grok "
        f"exceeds the largest of any run that does not, else {CONTRADICTED}",
        GROWTH,
    )
