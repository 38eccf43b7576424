"""Claims about which basis a step is projected on: its directions, and the rows it is taken from."""

from collections.abc import Sequence

from sedlib.report.claims.claim import Claim, Implied, Source, beside
from sedlib.report.claims.verdicts import ABOUT, CONTRADICTED, NOT_RUN, SAME, TOLERANCE
from sedlib.report.metrics.reading import Numbers, estimated, nested, sped_up
from sedlib.report.numbers.digits import NOTHING, number
from sedlib.report.numbers.seeds import Estimate
from sedlib.terms.condition import PROJECTIONS, Basis, Condition, History, Verb

INTERVENED = ("add", "mul")
"""Operations that the paper intervened on."""
COMMAND = "dvc repro interventions/dvc.yaml"
TABLES = {"update": "table4-update-projection", "gradient": "table5-gradient-projection"}
LIKE_ANOTHER = Implied(1 - TOLERANCE, 1 + TOLERANCE, f"1 ± {ABOUT}")
"""A ratio of two speed-ups that are alike."""
VERBS: tuple[Verb, ...] = ("keep", "remove")


def speedup_of(numbers: Numbers, projection: str, op: str, condition: str) -> Estimate | None:
    """A condition's speed-up over the control, where it was run."""
    return estimated(sped_up(nested(numbers, "interventions", projection, op, condition) or {}))


def directions(numbers: Numbers) -> Claim:
    """SED against random directions, kept and removed, with the history of the natural steps."""
    return _two_bases(
        numbers,
        "directions",
        "Which three directions are kept or removed does not matter",
        "speed-up with the SED basis of the steps before projection / with random directions",
        (("sed", "raw"), ("random", None)),
        "*-{keep,remove}-{sed-raw,random}",
    )


def history(numbers: Numbers) -> Claim:
    """The SED basis of the rows after projection against that of the rows before it."""
    return _two_bases(
        numbers,
        "history",
        "Steps after projection give the same SED basis as steps before projection",
        "speed-up with the basis of the steps after projection / before projection",
        (("sed", "applied"), ("sed", "raw")),
        "*-{keep,remove}-{sed,sed-raw}",
    )


def _two_bases(
    numbers: Numbers,
    name: str,
    sentence: str,
    quantity: str,
    bases: Sequence[tuple[Basis, History | None]],
    cells: str,
) -> Claim:
    """Speed-ups of keeping and of removing either of two bases, under both projections."""
    found = {
        f"{projection}, {op}, {verb}": [
            speedup_of(numbers, projection, op, Condition(verb, *basis).name) for basis in bases
        ]
        for projection in PROJECTIONS
        for op in INTERVENED
        for verb in VERBS
    }
    pairs = {label: (first, second) for label, (first, second) in found.items() if first and second and second.mean}
    ratios = {
        label: Estimate(first.mean / second.mean, None, None, min(first.n, second.n))
        for label, (first, second) in pairs.items()
    }
    same = all(LIKE_ANOTHER.low <= ratio.mean <= LIKE_ANOTHER.high for ratio in ratios.values())
    return Claim(
        name,
        sentence,
        quantity,
        "no difference",
        "; ".join(f"{label} {number(a.mean)} / {number(b.mean)}" for label, (a, b) in pairs.items()) or NOTHING,
        NOT_RUN if not ratios else SAME if same else CONTRADICTED,
        f"{SAME} if the speed-ups of the two bases agree within {ABOUT}, kept and removed, in every operation and "
        f"under both projections, else {CONTRADICTED}",
        Source("speedup-against-share", TABLES["update"], f"{COMMAND}  # {cells}"),
        beside(ratios),
        LIKE_ANOTHER,
    )
