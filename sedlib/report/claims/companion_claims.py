"""Claims about the trajectory's geometry (arXiv 2602.16746): runs of one operation that are no controls."""

from collections.abc import Iterator, Sequence

from sedlib.report.claims.claim import Claim, Source, beside, of_range, weakest
from sedlib.report.claims.verdicts import CONTRADICTED, INSIDE, NOT_RUN, SAME, verdict
from sedlib.report.metrics.reading import Numbers, estimated, nested, not_controls, of_leads, shown
from sedlib.report.numbers import paper
from sedlib.report.numbers.digits import NOTHING, number
from sedlib.report.numbers.seeds import Estimate, estimate

COMMAND = "dvc repro geometry/dvc.yaml"
PC1 = Source("pc1", "geometry", COMMAND)
SHARE = Source("share", "geometry", COMMAND)
LEADS = Source("defect", "leads", COMMAND)
GROWTH = Source("defect", "defect-growth", COMMAND)
LEVEL = 0.05
GROKKING, OTHERS = "runs that grok", "other runs"


def companion_claims(numbers: Numbers) -> Iterator[Claim]:
    """Straight trajectories; the defect's lead, growth and direction."""
    yield _pc1(numbers)
    yield of_range(
        "pc1-z",
        "One principal component holds more of the motion than of a random walk with the same steps",
        "smallest z of an attention matrix",
        paper.PC1_Z,
        over_seeds(numbers, "z_min"),
        PC1,
    )
    yield _lead(numbers)
    yield _growth(numbers)
    yield of_range(
        "rho",
        "Commutators lie outside the execution basis",
        "ρ, the share of the norm outside the basis",
        paper.RHO,
        over_seeds(numbers, "rho"),
        SHARE,
    )
    yield of_range(
        "share",
        "Commutators favour the execution basis over a random subspace",
        "share in the execution basis / share in a random subspace",
        paper.SHARE_OVER_RANDOM,
        over_seeds(numbers, "share_over_random"),
        SHARE,
    )


def over_seeds(numbers: Numbers, quantity: str) -> dict[str, Estimate]:
    """A quantity by operation, over the runs of that operation alone in which the quantity exists."""
    values: dict[str, list[float]] = {}
    for found in _of_one_operation(numbers):
        if found.get(quantity) is not None:
            values.setdefault(found["ops"], []).append(float(found[quantity]))
    return {op: estimate(of_op) for op, of_op in values.items()}


def _of_one_operation(numbers: Numbers) -> list[Numbers]:
    runs = not_controls(numbers, nested(numbers, "geometry") or {}).values()
    return [found for found in runs if "+" not in found["ops"]]


def _pc1(numbers: Numbers) -> Claim:
    """Least and largest PC1 % of the matrices, each against the paper's range."""
    least, largest = (over_seeds(numbers, f"pc1_{end}") for end in ("min", "max"))
    ends = {f"{op}, {end}": values[op] for op in least for end, values in (("smallest", least), ("largest", largest))}
    return Claim(
        "pc1",
        "One principal component holds most of each attention matrix's motion",
        "PC1 % of the matrix with the smallest and of the matrix with the largest",
        str(paper.PC1_PERCENT),
        ", ".join(f"{op} {shown(least[op])} to {shown(largest[op])}" for op in least) or NOTHING,
        weakest(verdict(found, paper.PC1_PERCENT) for found in ends.values()),
        "the weakest verdict on both ends in every operation, each a size",
        PC1,
        beside(ends, dict.fromkeys(ends, paper.PC1_PERCENT)),
    )


def _lead(numbers: Numbers) -> Claim:
    """How many runs have a positive lead, and the sign test."""
    test = nested(numbers, "leads", "single_task") or {}
    mean = estimated(of_leads(test)) if test else None
    return Claim(
        "lead",
        "The commutator defect rises before held-out accuracy does",
        "runs whose lead is positive; mean lead in steps",
        paper.LEAD.source,
        leads_in_words(test) if mean else NOTHING,
        lead_verdict(test),
        f"{INSIDE} if every run that becomes accurate has a positive lead and their mean is in the paper's range; else "
        f"{SAME} if the sign test over runs with a lead has p < {LEVEL}, else {CONTRADICTED}",
        LEADS,
        beside({"mean lead": mean}, {"mean lead": paper.LEAD}) if mean else (),
        counted=f"{test.get('n')} runs",
    )


def leads_in_words(test: Numbers) -> str:
    """How many leads are positive, their mean, and the sign test over runs."""
    runs = test["n"] + test["missed"]
    return f"{test['positive']} of {runs}, mean {shown(estimated(of_leads(test)))}, p = {number(test['p_value'])}"


def lead_verdict(test: Numbers) -> str:
    """What leads say of the paper's: see `lead_numbers`. A run that becomes accurate without an onset has no lead."""
    if not test.get("n"):
        return NOT_RUN
    if test["positive"] == test["n"] + test["missed"] and paper.LEAD.low <= test["mean"] <= paper.LEAD.high:
        return INSIDE
    return SAME if test["p_value"] < LEVEL else CONTRADICTED


def growth_verdict(grokking: Sequence[float], others: Sequence[float]) -> str:
    """What growths of runs that grok, and of runs that do not, say of the paper's two bounds."""
    if not grokking or not others:
        return NOT_RUN
    least, most = min(grokking), max(others)
    if least >= paper.DEFECT_GROWTH.low and most <= paper.DEFECT_GROWTH_WITHOUT_GROKKING.high:
        return INSIDE
    return SAME if least > most else CONTRADICTED


def _growth(numbers: Numbers) -> Claim:
    """The defect's growth in the paper's runs that become accurate, and in all that do not, controls among them."""
    runs = nested(numbers, "geometry") or {}
    grokking = [
        float(found["defect_growth"]) for found in _of_one_operation(numbers) if found["accurate_step"] is not None
    ]
    others = [float(found["defect_growth"]) for found in runs.values() if found["accurate_step"] is None]
    kinds = ((GROKKING, "at least", min, grokking), (OTHERS, "at most", max, others))
    found = [(name, words, end(growths), estimate(growths)) for name, words, end, growths in kinds if growths]
    rows = {name: Estimate(end, None, None, mean.n) for name, _, end, mean in found}
    rows |= {f"{name}, mean": mean for name, _, _, mean in found}
    return Claim(
        "defect-growth",
        "The commutator defect grows far more in runs that grok than in runs that do not",
        "smallest growth of the runs that grok, largest growth of the other runs, and the means of both",
        f"at least {number(paper.DEFECT_GROWTH.low)}, at most {number(paper.DEFECT_GROWTH_WITHOUT_GROKKING.high)}",
        ", ".join(f"{words} {number(end)} (mean {shown(mean)})" for _, words, end, mean in found) or NOTHING,
        growth_verdict(grokking, others),
        f"{INSIDE} if both bounds of the paper hold; else {SAME} if the least growth of the paper's runs that grok "
        f"exceeds the largest of any run that does not, else {CONTRADICTED}",
        GROWTH,
        beside(rows, {GROKKING: paper.DEFECT_GROWTH, OTHERS: paper.DEFECT_GROWTH_WITHOUT_GROKKING}),
        counted=f"{len(grokking)} and {len(others)} runs",
    )
