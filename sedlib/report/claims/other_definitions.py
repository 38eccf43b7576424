"""Claims under other definitions than the text's: ranges and rules are those that the claim has under the text's."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from sedlib.report.claims.basis_claims import INTERVENED
from sedlib.report.claims.claim import Judged, beside, listed, per_op, weakest
from sedlib.report.claims.companion_claims import over_seeds
from sedlib.report.claims.definitions import (
    FIRST_LAYER,
    LATE,
    MEMORISED,
    PERMUTED,
    PLATEAU,
    STOP_STEP,
    THIRD_EVALUATION,
    WEIGHTS,
)
from sedlib.report.claims.verdicts import CONTRADICTED, NEW, SAME, verdict
from sedlib.report.metrics.reading import Numbers, estimated, nested, sped_up
from sedlib.report.numbers import paper
from sedlib.report.numbers.paper import Reported
from sedlib.report.numbers.seeds import Estimate
from sedlib.terms.condition import PROJECTIONS

Judge = Callable[[Numbers], Judged | None]
READINGS = {LATE: "late", PLATEAU: "plateau"}
"""Readings of a run's curve in place of its peak, as metrics.json calls them."""
KEPT_AND_REMOVED = ("remove-sed", "keep-sed", "remove-random", "keep-random")


def others(name: str, numbers: Numbers) -> Iterator[Judged]:
    """A claim under every other definition that was measured."""
    for judge in JUDGES.get(name, ()):
        found = judge(numbers)
        if found is not None:
            yield found


def _of_range(definition: str, found: Mapping[str, Estimate], reported: Mapping[str, Reported | None]) -> Judged | None:
    """Numbers by label against ranges; the verdict is the weakest."""
    if not found:
        return None
    said = weakest(verdict(here, reported[label]) for label, here in found.items() if reported[label])
    return Judged(definition, listed(found), said, beside(found, reported))


def _read(quantity: str, reported: Reported) -> tuple[Judge, ...]:
    """A peak's range, under each other reading of the curve."""

    def judge(definition: str, numbers: Numbers) -> Judged | None:
        found = per_op(numbers, "single_task", f"{quantity}_{READINGS[definition]}")
        return _of_range(definition, found, dict.fromkeys(found, reported))

    return _each_reading(judge)


def _each_reading(judge: Callable[[str, Numbers], Judged | None]) -> tuple[Judge, ...]:
    return tuple(partial(judge, definition) for definition in READINGS)


def _ratio(definition: str, numbers: Numbers) -> Judged | None:
    found = per_op(numbers, "derived", "single_task", f"{READINGS[definition]}_gradient_over_update")
    return _of_range(definition, found, dict.fromkeys(found, paper.GRADIENT_OVER_UPDATE))


def _ceiling(definition: str, numbers: Numbers) -> Judged | None:
    found = per_op(numbers, "derived", "single_task", f"{READINGS[definition]}_w1_over_gradient")
    said = weakest(SAME if ratio.mean >= 1 else CONTRADICTED for ratio in found.values())
    return Judged(definition, listed(found), said, beside(found)) if found else None


def _spread(definition: str, numbers: Numbers) -> Judged | None:
    places = {name: f"{name}_{READINGS[definition]}" for name in ("update", "gradient")}
    kinds = {name: estimated(nested(numbers, "derived", "spread", place)) for name, place in places.items()}
    found = {name: spread for name, spread in kinds.items() if spread}
    if len(found) < len(kinds):
        return None
    said = SAME if found["gradient"].mean < found["update"].mean else CONTRADICTED
    reported = {"update": paper.UPDATE_SPREAD, "gradient": paper.GRADIENT_SPREAD}
    difference = estimated(nested(numbers, "derived", "spread", f"difference_{READINGS[definition]}"))
    return Judged(definition, listed(found), said, beside(found, reported), difference)


def _over_permuted(numbers: Numbers) -> Judged | None:
    found = per_op(numbers, "permuted", "plateau")
    return Judged(PERMUTED, listed(found), NEW, beside(found)) if found else None


def _stop(projection: str, condition: str) -> Judge:
    def judge(numbers: Numbers) -> Judged | None:
        steps = {op: nested(numbers, "interventions", projection, op, condition, "stop") or {} for op in INTERVENED}
        speedups = {op: estimated(sped_up(found)) for op, found in steps.items()}
        there = {op: speedup for op, speedup in speedups.items() if speedup}
        return _of_range(STOP_STEP, there, {op: paper.speedup(projection, op, condition) for op in INTERVENED})

    return judge


def _in_weights(definition: str, phase: str) -> Judge:
    def judge(numbers: Numbers) -> Judged | None:
        found = over_seeds(numbers, f"weights_share_{phase}")
        return _of_range(definition, found, dict.fromkeys(found, paper.SHARE_OVER_RANDOM))

    return judge


def _pc1_until(definition: str, matrices: str) -> Judge:
    def judge(numbers: Numbers) -> Judged | None:
        ends = {end: over_seeds(numbers, f"pc1_{key}_{matrices}") for end, key in ENDS.items()}
        found = {f"{op}, {end}": values[op] for op in ends["smallest"] for end, values in ends.items()}
        return _of_range(definition, found, dict.fromkeys(found, paper.PC1_PERCENT))

    return judge


ENDS = {"smallest": "min", "largest": "max"}
"""Of PC1 over matrices, as claims and as metrics.json name them."""


JUDGES: dict[str, tuple[Judge, ...]] = {
    "gradient-peak": (*_read("gradient", paper.SINGLE_TASK_GRADIENT), _over_permuted),
    "update-peak": _read("update", paper.SINGLE_TASK_UPDATE),
    "gradient-over-update": _each_reading(_ratio),
    "op-spread": _each_reading(_spread),
    "ceiling": _each_reading(_ceiling),
    **{
        f"{projection}-{condition}": (_stop(projection, condition),)
        for projection in PROJECTIONS
        for condition in KEPT_AND_REMOVED
    },
    "pc1": (_pc1_until(THIRD_EVALUATION, "stopped"), _pc1_until(FIRST_LAYER, "first_layer")),
    "share": (_in_weights(WEIGHTS, "before"), _in_weights(MEMORISED, "memorised")),
}
"""What judges a claim under each other definition, by the claim's name."""
