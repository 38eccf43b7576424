"""Claims about which basis a step is projected on: its directions, and the rows it is taken from."""

import itertools
from collections.abc import Sequence

from sedlib.report.claims.claim import Claim, Implied, Source, beside
from sedlib.report.claims.verdicts import ABOUT, CONTRADICTED, NOT_RUN, SAME, TOLERANCE
from sedlib.report.metrics.reading import Numbers, by_seed, estimated, nested, shown, sped_up
from sedlib.report.numbers.digits import NOTHING, number
from sedlib.report.numbers.seeds import Estimate, estimate
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
        "speed-up with the SED basis of the steps before projection / with random directions: the ratio by seed",
        (("sed", "raw"), ("random", None)),
        "*-{keep,remove}-{sed-raw,random}",
    )


def history(numbers: Numbers) -> Claim:
    """The SED basis of the rows after projection against that of the rows before it."""
    return _two_bases(
        numbers,
        "history",
        "Steps after projection give the same SED basis as steps before projection",
        "speed-up with the basis of the steps after projection / before projection: the ratio by seed",
        (("sed", "applied"), ("sed", "raw")),
        "*-{keep,remove}-{sed,sed-raw}",
    )


def steps_of(numbers: Numbers, projection: str, op: str, condition: str) -> dict[int, float | int]:
    """A condition's grok steps by seed."""
    return by_seed(nested(numbers, "interventions", projection, op, condition))


def _two_bases(
    numbers: Numbers,
    name: str,
    sentence: str,
    quantity: str,
    bases: Sequence[tuple[Basis, History | None]],
    cells: str,
) -> Claim:
    """Speed-ups of keeping and of removing either of two bases, under both projections; their ratio is of each seed.

    The control's grok step cancels: the ratio is that of the second basis's grok step to the first's.
    """
    pairs: dict[str, tuple[Estimate, Estimate]] = {}
    ratios: dict[str, Estimate] = {}
    for projection, op, verb in itertools.product(PROJECTIONS, INTERVENED, VERBS):
        label, places = (
            f"{projection}, {op}, {verb}",
            [(projection, op, Condition(verb, *basis).name) for basis in bases],
        )
        first, second = (speedup_of(numbers, *place) for place in places)
        early, late = (steps_of(numbers, *place) for place in places)
        both = [late[seed] / early[seed] for seed in early if seed in late]
        if first and second and both:
            pairs[label], ratios[label] = (first, second), estimate(both)
    same = all(LIKE_ANOTHER.low <= ratio.mean <= LIKE_ANOTHER.high for ratio in ratios.values())
    return Claim(
        name,
        sentence,
        quantity,
        "no difference",
        "; ".join(
            f"{label} {number(first.mean)} / {number(second.mean)}: {shown(ratios[label])}"
            for label, (first, second) in pairs.items()
        )
        or NOTHING,
        NOT_RUN if not ratios else SAME if same else CONTRADICTED,
        f"{SAME} if the speed-ups of the two bases agree within {ABOUT}, kept and removed, in every operation and "
        f"under both projections, else {CONTRADICTED}",
        Source("speedup-against-share", TABLES["update"], f"{COMMAND}  # {cells}"),
        beside(ratios),
        LIKE_ANOTHER,
    )
