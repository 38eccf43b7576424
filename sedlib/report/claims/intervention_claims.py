"""Claims about training with a part of each step of the attention slots (arXiv 2604.25143, section 5)."""

from collections.abc import Iterator, Mapping, Sequence

from sedlib.report.claims.claim import EACH_OPERATION, Claim, Source, weakest
from sedlib.report.claims.verdicts import ABOUT, CONTRADICTED, NOT_RUN, SAME, TOLERANCE, verdict
from sedlib.report.numbers import paper
from sedlib.report.numbers.digits import NOTHING, number
from sedlib.report.numbers.reading import Numbers, by_seed, estimated, nested, shown, sped_up
from sedlib.report.numbers.seeds import Estimate
from sedlib.terms.conditions import FREEZE, PROJECTIONS, Basis, Condition, History, Verb

OPS = ("add", "mul")
COMMAND = "dvc repro intervene intervene_control"
VERBS: tuple[Verb, ...] = ("keep", "remove")
TABLES = {"update": "table4-update-projection", "gradient": "table5-gradient-projection"}
SPEEDUPS = (
    ("update", "remove-sed", "Removing the SED directions from the update accelerates grokking"),
    ("gradient", "remove-sed", "Removing them from the gradient changes nothing"),
    ("update", "remove-random", "Removing three random directions from the update changes nothing"),
    ("gradient", "remove-random", "Removing them from the gradient changes nothing either"),
    ("update", "keep-sed", "Keeping only three SED directions of the update accelerates grokking"),
    ("gradient", "keep-sed", "Keeping only three SED directions of the gradient accelerates grokking"),
    ("update", "keep-random", "Keeping only three random directions of the update accelerates grokking as well"),
    ("gradient", "keep-random", "Keeping only three random directions of the gradient accelerates grokking as well"),
)
PAPERS_RANK = 3


def intervention_claims(numbers: Numbers) -> Iterator[Claim]:
    """Speed-ups one by one, then what they say of rank, direction and history; weight decay 0."""
    for projection, condition, sentence in SPEEDUPS:
        yield _speedup(numbers, projection, condition, sentence)
    yield _freeze(numbers)
    yield _rank_curve(numbers)
    yield _directions(numbers)
    yield _history(numbers)
    yield _weight_decay(numbers)


def _of_condition(numbers: Numbers, projection: str, op: str, condition: str) -> Estimate | None:
    return estimated(sped_up(nested(numbers, "interventions", projection, op, condition) or {}))


def _speedup(numbers: Numbers, projection: str, condition: str, sentence: str) -> Claim:
    found = {op: _of_condition(numbers, projection, op, condition) for op in OPS}
    there = {op: speedup for op, speedup in found.items() if speedup}
    reported = {op: paper.speedup(projection, op, condition) for op in OPS}
    return Claim(
        f"{projection}-{condition}",
        f"{sentence} (speed-up over the control)",
        ", ".join(f"{op} {value}" for op, value in reported.items() if value),
        ", ".join(f"{op} {shown(speedup)} (n = {speedup.n})" for op, speedup in there.items()) or NOTHING,
        weakest(verdict(speedup, reported[op]) for op, speedup in there.items() if reported[op]),
        EACH_OPERATION,
        Source("speedups", TABLES[projection], f"{COMMAND}  # {projection}-{condition}"),
    )


def _freeze(numbers: Numbers) -> Claim:
    """Frozen attention against three random directions, seed by seed, update projection."""
    pairs = []
    for found in (nested(numbers, "interventions", "update") or {}).values():
        frozen, kept = (by_seed(found.get(condition.name)) for condition in (FREEZE, Condition("keep", "random")))
        pairs += [(frozen[seed], kept[seed]) for seed in frozen if seed in kept]
    return Claim(
        "freeze",
        "The acceleration comes from keeping a subspace: grok steps of none (freeze), and of three random directions",
        "rank-specific",
        ", ".join(f"{number(frozen)} and {number(kept)}" for frozen, kept in pairs) or NOTHING,
        NOT_RUN if not pairs else CONTRADICTED if all(first <= second for first, second in pairs) else SAME,
        f"{SAME} if for some operation and seed frozen attention groks later than three random directions, "
        f"else {CONTRADICTED}",
        Source("figure5-interventions-update", TABLES["update"], f"{COMMAND}  # update-freeze, update-keep-random"),
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
        "Three is the rank that accelerates (speed-up by the number of attention coordinates that may move)",
        "rank-specific",
        ", ".join(f"{kept:,}: {number(speedups[kept])}" for kept in sorted(speedups)) or NOTHING,
        NOT_RUN if not there else CONTRADICTED if alike else SAME,
        f"{SAME} if no other number of coordinates has the speed-up of three within {ABOUT}, else {CONTRADICTED}",
        Source("rank-curve", "rank-curve", "dvc repro intervene_rank"),
    )


def _directions(numbers: Numbers) -> Claim:
    """SED against random directions, kept and removed, with the history of the natural steps."""
    return _two_bases(
        numbers,
        "directions",
        "It does not matter which three directions are kept or removed (speed-ups, SED basis of the natural steps)",
        "not direction-specific",
        (("sed", "raw"), ("random", None)),
        "*-{keep,remove}-{sed-raw,random}",
    )


def _history(numbers: Numbers) -> Claim:
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
        for op in OPS
        for verb in VERBS
    ]
    found = {cell: _of_condition(numbers, *cell) for pair in pairs for cell in pair}
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
    ratios = [first.mean / second.mean for first, second in pairs if first and second]
    same = all(abs(ratio - 1) <= TOLERANCE for ratio in ratios)
    return NOT_RUN if not ratios else SAME if same else CONTRADICTED


def _weight_decay(numbers: Numbers) -> Claim:
    found = nested(numbers, "weight_decay_0") or {}
    of_paper = {name: found[name] for name in paper.NEVER_GROK_WITHOUT_DECAY if name in found}
    grokked = [name for name, values in of_paper.items() if values["grokked"]]
    complete = len(of_paper) == len(paper.NEVER_GROK_WITHOUT_DECAY)
    return Claim(
        "weight-decay-0",
        f"Without weight decay nothing groks within {paper.STEPS_WITHOUT_DECAY:,} steps",
        f"none of {', '.join(paper.NEVER_GROK_WITHOUT_DECAY)}",
        (", ".join(grokked) + " grok" if grokked else f"none of {', '.join(found)}") if found else NOTHING,
        CONTRADICTED if grokked else SAME if complete else NOT_RUN,
        f"{CONTRADICTED} if one of the paper's conditions groks, else {SAME} where all of them were run",
        Source(None, "weight-decay-0", "dvc repro intervene_without_weight_decay"),
    )
