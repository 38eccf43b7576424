"""The paper's claims, one by one, beside what was measured; from the numbers in metrics.json alone."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from sedlib.report import paper
from sedlib.report.paper import Reported, number
from sedlib.report.seeds import Estimate
from sedlib.report.tables import OPS, at, estimated, shown
from sedlib.report.verdicts import CONTRADICTED, INSIDE, NEW, NOT_RUN, SAME, verdict

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
        "dvc repro figures",
    )
    yield _range(
        "Along the update's basis they move little more (peak R̄, single task)",
        paper.SINGLE_TASK_UPDATE,
        _per_op(numbers, "single_task", "update_peak"),
        "dvc repro figures",
    )
    yield _spread(numbers, "update_peak", paper.UPDATE_SPREAD, "update")
    yield _spread(numbers, "gradient_peak", paper.GRADIENT_SPREAD, "gradient")
    yield _window(numbers)
    yield _phases(numbers)
    yield _range(
        "In a multitask network the update's basis is no better than a random direction (final R̄)",
        paper.MULTITASK_UPDATE,
        _per_op(numbers, "multitask", "update_final"),
        "dvc repro figures",
    )
    yield _range(
        "There each operation's own gradient recovers the coupling (peak R̄)",
        paper.MULTITASK_PER_OP,
        _per_op(numbers, "multitask", "per_op_peak"),
        "dvc repro figures",
    )
    yield _aggregation(numbers)
    yield _single_rows(numbers)
    yield _adamw(numbers)
    for condition, said, sentence in (
        ("remove-sed", "1.0", "Removing the SED directions from the gradient changes nothing (add, speed-up)"),
        ("keep-sed", "2.2", "Keeping three SED directions of the gradient accelerates grokking (add, speed-up)"),
        ("keep-random", "2.3", "Keeping three random directions does so as well (add, speed-up)"),
    ):
        yield _speedup(numbers, "gradient", condition, sentence, said)
    yield _freeze(numbers)
    yield _raw_history(numbers)
    yield _weight_decay(numbers)


def _per_op(numbers: Numbers, kind: str, quantity: str) -> dict[str, Estimate]:
    found = {op: estimated(at(numbers, kind, op, quantity)) for op in OPS}
    return {op: estimate for op, estimate in found.items() if estimate}


def _range(claim: str, reported: Reported, found: Mapping[str, Estimate], command: str) -> Claim:
    """Every operation's estimate against one range; the verdict is the weakest of them."""
    said = _weakest(verdict(estimate, reported, 1) for estimate in found.values())
    ours = ", ".join(f"{op} {shown(estimate)}" for op, estimate in found.items()) or "–"
    return Claim(claim, str(reported), ours, said, command)


def _weakest(verdicts: Iterable[str]) -> str:
    found = set(verdicts)
    return next((said for said in (CONTRADICTED, SAME, INSIDE) if said in found), NOT_RUN)


def _spread(numbers: Numbers, quantity: str, reported: Reported, name: str) -> Claim:
    """Largest over smallest mean of the operations."""
    means = [estimate.mean for estimate in _per_op(numbers, "single_task", quantity).values()]
    ours = Estimate(max(means) / min(means), None, None, len(means)) if len(means) == len(OPS) else None
    claim = f"Spread of the {name} SED's peak over the four operations, largest over smallest"
    return Claim(claim, str(reported), shown(ours), verdict(ours, reported, 1), "dvc repro figures")


def _window(numbers: Numbers) -> Claim:
    by_window = {int(window): values["peak"] for window, values in (at(numbers, "ablation", "window") or {}).items()}
    peaks = [by_window[window] for window in sorted(by_window)]
    falls = all(later < earlier for earlier, later in itertools.pairwise(peaks))
    return Claim(
        "The peak falls as the window grows, from the gradient alone, W = 1 (R̄ here, R₁ in the paper)",
        ", ".join(f"W = {window}: {value:.0f}" for window, value in paper.R1_BY_WINDOW.items()),
        ", ".join(f"W = {window}: {number(by_window[window])}" for window in sorted(by_window)) or "–",
        (SAME if falls else CONTRADICTED) if len(peaks) > 1 else NOT_RUN,
        "dvc repro ablate",
    )


def _phases(numbers: Numbers) -> Claim:
    found = {phase: at(numbers, "single_step", phase, "per_example") for phase in paper.PER_EXAMPLE}
    values = [value for value in found.values() if value is not None]
    rises = len(values) == 3 and values[0] < values[1] < values[2]
    inside = rises and all(
        verdict(Estimate(float(value), None, None, 1), paper.exactly(paper.PER_EXAMPLE[phase], ""), 1) == INSIDE
        for phase, value in found.items()
        if value is not None
    )
    return Claim(
        "Per-example gradients at one checkpoint give a basis too, and its R̄ rises: init, mid, after grokking",
        " / ".join(number(value) for value in paper.PER_EXAMPLE.values()),
        " / ".join(number(value) for value in values) or "–",
        NOT_RUN if len(values) < 3 else INSIDE if inside else SAME if rises else CONTRADICTED,
        "dvc repro single_step",
    )


def _aggregation(numbers: Numbers) -> Claim:
    per_op, aggregate = (_per_op(numbers, "multitask", f"{name}_peak") for name in ("per_op", "aggregate"))
    shares = {op: aggregate[op].mean / per_op[op].mean for op in OPS if op in aggregate and op in per_op}
    return Claim(
        "Adding the operations' gradients up is what hides the coupling (aggregate over per-op peak R̄)",
        "obstructs",
        ", ".join(f"{op} {share:.2f}" for op, share in shares.items()) or "–",
        NOT_RUN if not shares else CONTRADICTED if min(shares.values()) > 0.5 else SAME,
        "dvc repro figures",
    )


def _single_rows(numbers: Numbers) -> Claim:
    alone, window = (_per_op(numbers, "multitask", f"{name}_final") for name in ("w1", "per_op"))
    ratios = {op: alone[op].mean / window[op].mean for op in OPS if op in alone and op in window}
    return Claim(
        "In a multitask network a window is needed: one gradient row is not enough (final R̄, W = 1 over window)",
        "< 1",
        ", ".join(f"{op} {ratio:.2f}" for op, ratio in ratios.items()) or "–",
        NOT_RUN if not ratios else CONTRADICTED if min(ratios.values()) > 1 else SAME,
        "dvc repro figures",
    )


def _adamw(numbers: Numbers) -> Claim:
    rungs = {
        "momentum over gradient": ("ladder/momentum", "ladder/minibatch-gradient"),
        "scaling": ("ladder/adam-direction", "ladder/momentum"),
        "decay": ("ladder/step", "ladder/step-without-decay"),
        "many steps": ("update", "ladder/step"),
    }
    runs = [streams for streams in (at(numbers, "ladder") or {}).values() if "gradient/total" not in streams]
    parts = []
    for name, (below, above) in rungs.items():
        pairs = [(at(run, below, "mean_before_grok"), at(run, above, "mean_before_grok")) for run in runs]
        kept = [low / high for low, high in pairs if low and high]
        if kept:
            parts.append(f"{name} {sum(kept) / len(kept):.2f}")
    return Claim(
        "Momentum, adaptive scaling and weight decay each contaminate the update (factor that each leaves)",
        "each below 1",
        ", ".join(parts) or "–",
        NEW if parts else NOT_RUN,
        "dvc repro figures",
    )


def _speedup(numbers: Numbers, projection: str, condition: str, sentence: str, said: str) -> Claim:
    found = at(numbers, "interventions", projection, "add", condition) or {}
    speedup = found.get("speedup")
    ours = None if speedup is None else Estimate(float(speedup), None, None, found["n"])
    text = "–" if ours is None else f"{number(ours.mean)} (n = {ours.n})"
    result = verdict(ours, paper.speedup(projection, "add", condition), 1)
    return Claim(sentence, said, text, result, f"dvc repro intervene intervene_control  # {projection}-{condition}")


def _freeze(numbers: Numbers) -> Claim:
    steps = {name: at(numbers, "interventions", "update", "add", name, "mean") for name in ("keep-random", "freeze")}
    there = all(value is not None for value in steps.values())
    return Claim(
        "The acceleration is that of a three-dimensional subspace: when does attention that does not move grok?",
        "–",
        ", ".join(f"{name} {number(value)}" for name, value in steps.items() if value is not None) or "–",
        NEW if there else NOT_RUN,
        "dvc repro intervene  # update-freeze",
    )


def _raw_history(numbers: Numbers) -> Claim:
    names = ("keep-sed-raw", "remove-sed-raw")
    speedups = {name: at(numbers, "interventions", "update", "add", name, "speedup") for name in names}
    there = {name: value for name, value in speedups.items() if value is not None}
    return Claim(
        "It does not matter which directions are kept or removed (speed-ups with the honest basis, update projection)",
        "rank-specific, not direction-specific",
        ", ".join(f"{name} {number(value)}" for name, value in there.items()) or "–",
        NOT_RUN if len(there) < 2 else CONTRADICTED if there["remove-sed-raw"] > 1.1 * there["keep-sed-raw"] else SAME,
        "dvc repro intervene  # update-keep-sed-raw, update-remove-sed-raw",
    )


def _weight_decay(numbers: Numbers) -> Claim:
    found = at(numbers, "weight_decay_0") or {}
    grokked = [name for name, values in found.items() if values["grok_step"] is not None]
    return Claim(
        "Without weight decay nothing groks within 8,000 steps (control, keep-sed, keep-random)",
        "none",
        (", ".join(grokked) or f"none of {', '.join(found)}") if found else "–",
        NOT_RUN if not found else SAME if not grokked else CONTRADICTED,
        "dvc repro intervene_without_weight_decay",
    )
