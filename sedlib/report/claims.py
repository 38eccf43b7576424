"""The paper's claims, one by one, beside what was measured; from the numbers in metrics.json alone."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from sedlib.report import paper
from sedlib.report.paper import Reported, exactly, number
from sedlib.report.seeds import Estimate, estimate
from sedlib.report.tables import OPS, at, estimated, not_controls, shown, sped_up
from sedlib.report.verdicts import CONTRADICTED, INSIDE, NOT_RUN, SAME, TOLERANCE, verdict

Numbers = Mapping[str, Any]


@dataclass(frozen=True)
class Claim:
    """One line of the summary."""

    claim: str
    paper: str
    ours: str
    verdict: str
    command: str


def claims(numbers: Numbers) -> pd.DataFrame:
    """The summary, a row per claim."""
    return pd.DataFrame([asdict(claim) for claim in _claims(numbers)])


def _claims(numbers: Numbers) -> Iterator[Claim]:
    yield _range(
        "Along the gradient's basis centroids move far more than along a random direction (peak R̄, single task)",
        paper.SINGLE_TASK_GRADIENT,
        _per_op(numbers, "single_task", "gradient_peak"),
    )
    yield _range(
        "Along the update's basis they move a few times as much (peak R̄, single task)",
        paper.SINGLE_TASK_UPDATE,
        _per_op(numbers, "single_task", "update_peak"),
    )
    yield _range(
        "The gradient raises the peak by this factor over the update",
        paper.GRADIENT_OVER_UPDATE,
        _ratios(numbers, "single_task", "gradient_peak", "update_peak"),
    )
    yield _spread(numbers)
    yield _window(numbers)
    yield _phases(numbers)
    yield _range(
        "In a multitask network the update's basis is worse than a random direction (final R̄)",
        paper.MULTITASK_UPDATE,
        _per_op(numbers, "multitask", "update_final"),
    )
    yield _range(
        "There each operation's own gradient recovers the coupling, by the end of training (final R̄)",
        paper.MULTITASK_PER_OP,
        _per_op(numbers, "multitask", "per_op_final"),
    )
    yield _aggregation(numbers)
    yield _single_rows(numbers)
    yield _adamw(numbers)
    for projection, condition, sentence in (
        ("update", "remove-sed", "Removing the SED directions from the update accelerates grokking"),
        ("gradient", "remove-sed", "Removing them from the gradient changes nothing"),
        ("gradient", "keep-sed", "Keeping only three SED directions of the gradient accelerates grokking"),
        ("gradient", "keep-random", "Keeping only three random directions does so as well"),
    ):
        yield _speedup(numbers, projection, condition, sentence)
    yield _freeze(numbers)
    yield _directions(numbers)
    yield _weight_decay(numbers)


def _per_op(numbers: Numbers, kind: str, quantity: str) -> dict[str, Estimate]:
    found = {op: estimated(at(numbers, kind, op, quantity)) for op in OPS}
    return {op: estimate for op, estimate in found.items() if estimate}


def _ratios(numbers: Numbers, kind: str, above: str, below: str) -> dict[str, Estimate]:
    """By operation, the ratio of two quantities, seed by seed."""
    found = {}
    for op in OPS:
        first, second = (at(numbers, kind, op, name) or {} for name in (above, below))
        seeds = [key for key in first if key.lstrip("-").isdigit() and first[key] and second.get(key)]
        if seeds:
            found[op] = estimate([first[seed] / second[seed] for seed in seeds])
    return found


def _range(claim: str, reported: Reported, found: Mapping[str, Estimate]) -> Claim:
    """Every operation's estimate against one range; the verdict is the weakest of them."""
    said = _weakest(verdict(estimate, reported) for estimate in found.values())
    return Claim(claim, str(reported), _listed(found), said, "dvc repro figures")


def _listed(found: Mapping[str, Estimate]) -> str:
    return ", ".join(f"{op} {shown(estimate)}" for op, estimate in found.items()) or "–"


def _weakest(verdicts: Iterable[str]) -> str:
    found = set(verdicts)
    return next((said for said in (CONTRADICTED, SAME, INSIDE) if said in found), NOT_RUN)


def _spread(numbers: Numbers) -> Claim:
    """Largest over smallest mean of the four operations; contradicted where the gradient's is not the smaller."""
    spreads = []
    for name in ("update_peak", "gradient_peak"):
        means = [found.mean for found in _per_op(numbers, "single_task", name).values()]
        spreads += [max(means) / min(means)] if len(means) == len(OPS) else []
    there = len(spreads) == 2
    return Claim(
        "The four operations differ less under the gradient than under the update (spread of the peaks)",
        f"update {paper.UPDATE_SPREAD}, gradient {paper.GRADIENT_SPREAD}",
        f"update {number(spreads[0])}, gradient {number(spreads[1])}" if there else "–",
        NOT_RUN if not there else SAME if spreads[1] < spreads[0] else CONTRADICTED,
        "dvc repro figures",
    )


def _window(numbers: Numbers) -> Claim:
    peaks = {int(window): found["r1_peak"] for window, found in (at(numbers, "ablation", "window") or {}).items()}
    in_order = [peaks[window] for window in sorted(peaks)]
    falls = all(later < earlier for earlier, later in itertools.pairwise(in_order))
    return Claim(
        "The peak of R₁ falls as the window grows, from the gradient alone, W = 1",
        ", ".join(f"W = {window}: {number(value)}" for window, value in paper.R1_BY_WINDOW.items()),
        ", ".join(f"W = {window}: {number(peaks[window])}" for window in sorted(peaks)) or "–",
        NOT_RUN if len(in_order) < 2 else SAME if falls else CONTRADICTED,
        "dvc repro ablate",
    )


def _phases(numbers: Numbers) -> Claim:
    found = [at(numbers, "single_step", phase, "per_example") for phase in paper.PER_EXAMPLE]
    values = [float(value) for value in found if value is not None]
    rises = all(later > earlier for earlier, later in itertools.pairwise(values))
    inside = len(values) == len(found) and all(
        verdict(Estimate(value, None, None, 1), exactly(reported, "Table 3")) == INSIDE
        for value, reported in zip(values, paper.PER_EXAMPLE.values(), strict=True)
    )
    return Claim(
        "Per-example gradients at one checkpoint give a basis too, and its R̄ rises: init, mid, after grokking",
        " / ".join(number(value) for value in paper.PER_EXAMPLE.values()),
        " / ".join(number(value) for value in values) or "–",
        NOT_RUN if len(values) < len(found) else CONTRADICTED if not rises else INSIDE if inside else SAME,
        "dvc repro single_step",
    )


def _aggregation(numbers: Numbers) -> Claim:
    return _ratio_below(
        numbers,
        "aggregate_final",
        0.5,
        "Aggregating the operations' gradients hides the coupling (aggregate over per-op final R̄)",
        "a general obstruction",
    )


def _single_rows(numbers: Numbers) -> Claim:
    return _ratio_below(
        numbers,
        "w1_final",
        1,
        "In a multitask network the window is needed to recover a direction (final R̄, W = 1 over the window's)",
        "mechanically necessary",
    )


def _ratio_below(numbers: Numbers, quantity: str, bound: float | int, claim: str, reported: str) -> Claim:
    """A claim that holds if every operation's ratio of ``quantity`` to its per-op final R̄ lies below ``bound``."""
    ratios = _ratios(numbers, "multitask", quantity, "per_op_final")
    said = _weakest(SAME if ratio.mean < bound else CONTRADICTED for ratio in ratios.values())
    return Claim(claim, reported, _listed(ratios), said, "dvc repro figures")


def _adamw(numbers: Numbers) -> Claim:
    """The factor that each part of AdamW leaves of the coupling; one of at least 1 contradicts."""
    rungs = {
        "momentum": ("ladder/momentum", "ladder/minibatch-gradient"),
        "scaling": ("ladder/adam-direction", "ladder/momentum"),
        "decay": ("ladder/step", "ladder/step-without-decay"),
        "(not in the paper) the steps between checkpoints": ("update", "ladder/step"),
    }
    factors = {}
    for name, (below, above) in rungs.items():
        pairs = [
            (at(run, below, "mean_before_grok"), at(run, above, "mean_before_grok"))
            for run in not_controls(numbers, at(numbers, "ladder") or {}).values()
        ]
        kept = [low / high for low, high in pairs if low and high]
        if kept:
            factors[name] = sum(kept) / len(kept)
    return Claim(
        "Momentum, adaptive scaling and weight decay each contaminate the update (factor of R̄ that each leaves)",
        "three sources of contamination",
        ", ".join(f"{name} {factor:.2f}" for name, factor in factors.items()) or "–",
        NOT_RUN if not factors else CONTRADICTED if any(factor >= 1 for factor in factors.values()) else SAME,
        "dvc repro figures",
    )


def _speedup(numbers: Numbers, projection: str, condition: str, sentence: str) -> Claim:
    found = {
        op: estimated(sped_up(at(numbers, "interventions", projection, op, condition) or {})) for op in ("add", "mul")
    }
    there = {op: speedup for op, speedup in found.items() if speedup}
    reported = {op: paper.speedup(projection, op, condition) for op in ("add", "mul")}
    return Claim(
        f"{sentence} (speed-up over the control)",
        ", ".join(f"{op} {value}" for op, value in reported.items() if value),
        ", ".join(f"{op} {shown(speedup)} (n = {speedup.n})" for op, speedup in there.items()) or "–",
        _weakest(verdict(speedup, reported[op]) for op, speedup in there.items() if reported[op]),
        f"dvc repro intervene intervene_control  # {projection}-{condition}",
    )


def _freeze(numbers: Numbers) -> Claim:
    """Frozen attention against three random directions, seed by seed, update projection."""
    pairs = []
    for found in (at(numbers, "interventions", "update") or {}).values():
        frozen, kept = (found.get(name, {}) for name in ("freeze", "keep-random"))
        pairs += [(frozen[key], kept[key]) for key in frozen if key.isdigit() and frozen[key] and kept.get(key)]
    return Claim(
        "The acceleration comes from keeping a subspace: grok steps of none (freeze), and of three random directions",
        "rank-specific",
        ", ".join(f"{number(frozen)} and {number(kept)}" for frozen, kept in pairs) or "–",
        NOT_RUN if not pairs else CONTRADICTED if all(first <= second for first, second in pairs) else SAME,
        "dvc repro intervene  # update-freeze, update-keep-random",
    )


def _directions(numbers: Numbers) -> Claim:
    """SED against random directions, kept and removed, with the history of the natural steps; update projection."""
    speedups = {
        f"{op} {name}": estimated(sped_up(at(numbers, "interventions", "update", op, name) or {}))
        for op in ("add", "mul")
        for name in ("keep-sed-raw", "keep-random", "remove-sed-raw", "remove-random")
    }
    there = {name: speedup.mean for name, speedup in speedups.items() if speedup}
    pairs = [
        (there[f"{op} {what}-sed-raw"], there[f"{op} {what}-random"])
        for op in ("add", "mul")
        for what in ("keep", "remove")
        if f"{op} {what}-sed-raw" in there and f"{op} {what}-random" in there
    ]
    same = all(abs(sed / random - 1) <= TOLERANCE for sed, random in pairs)
    return Claim(
        "It does not matter which three directions are kept or removed (speed-ups, SED basis of the natural steps)",
        "not direction-specific",
        ", ".join(f"{name} {number(value)}" for name, value in there.items()) or "–",
        NOT_RUN if not pairs else SAME if same else CONTRADICTED,
        "dvc repro intervene  # update-{keep,remove}-{sed-raw,random}",
    )


def _weight_decay(numbers: Numbers) -> Claim:
    found = at(numbers, "weight_decay_0") or {}
    of_paper = {name: found[name] for name in paper.NEVER_GROK_WITHOUT_DECAY if name in found}
    grokked = [name for name, values in of_paper.items() if values["grokked"]]
    complete = len(of_paper) == len(paper.NEVER_GROK_WITHOUT_DECAY)
    return Claim(
        f"Without weight decay nothing groks within {paper.STEPS_WITHOUT_DECAY:,} steps",
        f"none of {', '.join(paper.NEVER_GROK_WITHOUT_DECAY)}",
        (", ".join(grokked) + " grok" if grokked else f"none of {', '.join(found)}") if found else "–",
        CONTRADICTED if grokked else SAME if complete else NOT_RUN,
        "dvc repro intervene_without_weight_decay",
    )
