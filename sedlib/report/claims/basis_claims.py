"""Claims about which basis a step is projected on: its directions, and the rows it is taken from."""

from collections.abc import Mapping, Sequence

from sedlib.report.claims.claim import Claim, Source
from sedlib.report.claims.verdicts import ABOUT, CONTRADICTED, NOT_RUN, SAME, TOLERANCE
from sedlib.report.metrics.reading import Numbers, estimated, nested, sped_up
from sedlib.report.numbers.digits import NOTHING, number
from sedlib.report.numbers.seeds import Estimate
from sedlib.terms.condition import PROJECTIONS, Basis, Condition, History, Verb

INTERVENED = ("add", "mul")
"""Operations that the paper intervened on."""
COMMAND = "dvc repro interventions/dvc.yaml"
TABLES = {"update": "table4-update-projection", "gradient": "table5-gradient-projection"}
VERBS: tuple[Verb, ...] = ("keep", "remove")


def speedup_of(numbers: Numbers, projection: str, op: str, condition: str) -> Estimate | None:
    """A condition's speed-up over the control, where it was run."""
    return estimated(sped_up(nested(numbers, "interventions", projection, op, condition) or {}))


def directions(numbers: Numbers) -> Claim:
    """SED against random directions, kept and removed, with the history of the natural steps."""
    return _two_bases(
        numbers,
        "directions",
        "It does not matter which three directions are kept or removed (speed-ups, SED basis of the natural steps)",
        "not direction-specific",
        (("sed", "raw"), ("random", None)),
        "*-{keep,remove}-{sed-raw,random}",
    )


def history(numbers: Numbers) -> Claim:
    """The SED basis of the rows after projection against that of the rows before it."""
    return _two_bases(
        numbers,
        "history",
        "The rows after projection give the current SED basis, as those before it would (speed-ups, applied and raw)",
        "taken for granted",
        (("sed", "applied"), ("sed", "raw")),
        "*-{keep,remove}-{sed,sed-raw}",
    )


def _two_bases(
    numbers: Numbers,
    name: str,
    claim: str,
    reported: str,
    bases: Sequence[tuple[Basis, History | None]],
    cells: str,
) -> Claim:
    """Speed-ups of keeping and of removing either of two bases, under both projections."""
    pairs = [
        [(projection, op, Condition(verb, *basis).name) for basis in bases]
        for projection in PROJECTIONS
        for op in INTERVENED
        for verb in VERBS
    ]
    found = {cell: speedup_of(numbers, *cell) for pair in pairs for cell in pair}
    return Claim(
        name,
        claim,
        reported,
        _named({" ".join(cell): speedup for cell, speedup in found.items()}),
        _alike([(found[first], found[second]) for first, second in pairs]),
        f"{SAME} if the speed-ups of the two bases agree within {ABOUT}, kept and removed, in every operation and "
        f"under both projections, else {CONTRADICTED}",
        Source("speedup-against-share", TABLES["update"], f"{COMMAND}  # {cells}"),
    )


def _named(speedups: Mapping[str, Estimate | None]) -> str:
    return ", ".join(f"{name} {number(speedup.mean)}" for name, speedup in speedups.items() if speedup) or NOTHING


def _alike(pairs: list[tuple[Estimate | None, Estimate | None]]) -> str:
    """The verdict on pairs of speed-ups; pairs that were not run do not count."""
    ratios = [first.mean / second.mean for first, second in pairs if first and second and second.mean]
    same = all(abs(ratio - 1) <= TOLERANCE for ratio in ratios)
    return NOT_RUN if not ratios else SAME if same else CONTRADICTED
