"""Claims about the coupling of centroids to gradients and updates (arXiv 2604.25143)."""

import itertools
from collections.abc import Iterator, Sequence

from sedlib.report.claims.claim import NOTHING, Claim, Numbers, Source, listed, of_range, per_op, weakest
from sedlib.report.claims.verdicts import CONTRADICTED, INSIDE, NEW, NOT_RUN, OUTSIDE, SAME, TOLERANCE, verdict
from sedlib.report.numbers import paper
from sedlib.report.numbers.paper import exactly, number
from sedlib.report.numbers.seeds import Estimate
from sedlib.report.tabled.tables import PHASES, at, estimated, shown

UPDATE = Source("figure1-update-sed", "table1-single-task", "dvc repro figures")
GRADIENT = Source("figure2-gradient-sed", "table1-single-task", "dvc repro figures")
MULTITASK_UPDATE = Source("figure3-multitask-update", "multitask", "dvc repro figures")
MULTITASK = Source("figure4-multitask-per-op", "multitask", "dvc repro figures")
LADDER = Source("ladder", "ladder", "dvc repro figures")
ABLATION = Source(None, "table2-ablations", "dvc repro ablate")
BATCH = Source(None, "table2-ablations", "dvc repro ablate_batch")
PHASE = Source(None, "table3-single-checkpoint", "dvc repro single_step")
CENTROIDS = Source(None, "centroids", "dvc repro single_step")
LEFT_OPEN = "left open"


def coupling_claims(numbers: Numbers) -> Iterator[Claim]:
    """In the paper's order: single task, ablations, multitask, the ladder."""
    yield of_range(
        "gradient-peak",
        "Along the gradient's basis centroids move far more than along a random direction (peak R̄, single task)",
        paper.SINGLE_TASK_GRADIENT,
        per_op(numbers, "single_task", "gradient_peak"),
        GRADIENT,
    )
    yield of_range(
        "update-peak",
        "Along the update's basis they move a few times as much (peak R̄, single task)",
        paper.SINGLE_TASK_UPDATE,
        per_op(numbers, "single_task", "update_peak"),
        UPDATE,
    )
    yield of_range(
        "gradient-over-update",
        "The gradient raises the peak by this factor over the update",
        paper.GRADIENT_OVER_UPDATE,
        per_op(numbers, "derived", "single_task", "gradient_over_update"),
        GRADIENT,
    )
    yield _spread(numbers)
    yield _window(numbers)
    yield _ceiling(numbers)
    yield _settings(numbers)
    yield from _left_open(numbers)
    yield _ranks(numbers)
    yield _phases(numbers)
    yield of_range(
        "multitask-update",
        "In a multitask network the update's basis is worse than a random direction (final R̄)",
        paper.MULTITASK_UPDATE,
        per_op(numbers, "multitask", "update_final"),
        MULTITASK_UPDATE,
    )
    yield of_range(
        "multitask-per-op",
        "There each operation's own gradient recovers the coupling, by the end of training (final R̄)",
        paper.MULTITASK_PER_OP,
        per_op(numbers, "multitask", "per_op_final"),
        MULTITASK,
    )
    yield _aggregation(numbers)
    yield _single_rows(numbers)
    yield _adamw(numbers)


def _spread(numbers: Numbers) -> Claim:
    """Largest over smallest of the four operations, seed by seed; contradicted where the gradient's is no smaller."""
    update, gradient = (estimated(at(numbers, "derived", "spread", name)) for name in ("update", "gradient"))
    return Claim(
        "op-spread",
        "The four operations differ less under the gradient than under the update (spread of the peaks)",
        f"update {paper.UPDATE_SPREAD}, gradient {paper.GRADIENT_SPREAD}",
        f"update {shown(update)}, gradient {shown(gradient)}" if update and gradient else NOTHING,
        NOT_RUN if not (update and gradient) else SAME if gradient.mean < update.mean else CONTRADICTED,
        GRADIENT,
    )


def _window(numbers: Numbers) -> Claim:
    """Contradicted where a longer window's peak is more than a tenth higher."""
    peaks = {int(window): found["r1_peak"] for window, found in (at(numbers, "ablation", "window") or {}).items()}
    in_order = [peaks[window] for window in sorted(peaks)]
    falls = all(later <= (1 + TOLERANCE) * earlier for earlier, later in itertools.combinations(in_order, 2))
    return Claim(
        "window",
        "The peak of R₁ falls as the window grows, from the gradient alone, W = 1",
        ", ".join(f"W = {window}: {number(value)}" for window, value in paper.R1_BY_WINDOW.items()),
        ", ".join(f"W = {window}: {number(peaks[window])}" for window in sorted(peaks)) or NOTHING,
        NOT_RUN if len(in_order) < 2 else SAME if falls else CONTRADICTED,
        ABLATION,
    )


def _ceiling(numbers: Numbers) -> Claim:
    """Contradicted where an operation's window has the higher peak."""
    ratios = per_op(numbers, "derived", "single_task", "w1_over_gradient")
    return Claim(
        "ceiling",
        "The gradient alone, W = 1, is the ceiling of what a window of gradients gives (its peak R̄ over the window's)",
        "the ceiling",
        listed(ratios),
        weakest(SAME if ratio.mean >= 1 else CONTRADICTED for ratio in ratios.values()),
        GRADIENT,
    )


def _settings(numbers: Numbers) -> Claim:
    """Largest peak of R₁ over the smallest one, of what is about 5 % around the usual value."""
    found = {
        title: max(peaks) / min(peaks)
        for title, axis in (("rank", "rank"), ("probe seed", "probe_seed"))
        if (peaks := [values["r1_peak"] for values in (at(numbers, "ablation", axis) or {}).values()])
    }
    about = paper.RANK_AND_PROBE_SPREAD
    inside = all(ratio <= (1 + about) / (1 - about) for ratio in found.values())
    return Claim(
        "settings",
        "Rank and probe seed change little (largest over smallest peak of R₁, in which the rank has no part)",
        f"within about {100 * about:.0f} %",
        ", ".join(f"{title} {ratio:.2f}" for title, ratio in found.items()) or NOTHING,
        NOT_RUN if len(found) < 2 else INSIDE if inside else OUTSIDE,
        ABLATION,
    )


def _left_open(numbers: Numbers) -> Iterator[Claim]:
    """What the paper did not vary has no verdict: plateau and peak of R̄ at each value, and how much they differ."""
    for name, axis, claim, reported, source in (
        ("alignment", "alignment", "Windows that end at a checkpoint and windows that begin there", "either", ABLATION),
        ("pairs", "batch_pairs", "Gradient batches with and without held-out pairs", LEFT_OPEN, BATCH),
        ("batch-size", "batch_size", "Gradient batches of several sizes", LEFT_OPEN, BATCH),
        ("batch-seed", "batch_seed", "Gradient batches drawn from several seeds", LEFT_OPEN, BATCH),
        ("full-centroid", "centroid", "The simplified centroid and the full one", LEFT_OPEN, ABLATION),
    ):
        found = at(numbers, "ablation", axis) or {}
        kept = [key for key in ("plateau", "peak") if all(values[key] is not None for values in found.values())]
        cells = [f"{value}: {' / '.join(number(values[key]) for key in kept)}" for value, values in found.items()]
        differ = [f"{key}s by {_difference([values[key] for values in found.values()])}" for key in kept if found]
        yield Claim(
            name,
            f"{claim} (plateau / peak of R̄)",
            reported,
            f"{', '.join(cells)}; differ: {', '.join(differ)}" if found else NOTHING,
            NEW if found else NOT_RUN,
            source,
        )


def _difference(values: Sequence[float | int]) -> str:
    return f"{100 * (max(values) / min(values) - 1):.0f} %"


def _ranks(numbers: Numbers) -> Claim:
    """Both centroids' rank-90 at each phase, a size each."""
    found = {
        phase: [at(numbers, "centroids", phase, f"rank90_{kind}") for kind in ("logit", "full")] for phase in PHASES
    }
    there = {phase: values for phase, values in found.items() if None not in values}
    said = (
        verdict(Estimate(float(ours), None, None, 1), exactly(reported, "limitations", "size"))
        for phase, values in there.items()
        for ours, reported in zip(values, paper.RANK90[phase], strict=True)
    )
    return Claim(
        "centroid-rank",
        "The rank of the centroids rises and collapses, of the simplified one as of the full one (rank-90, both)",
        ", ".join(f"{phase} {' / '.join(map(number, values))}" for phase, values in paper.RANK90.items()),
        ", ".join(f"{phase} {' / '.join(map(number, values))}" for phase, values in there.items()) or NOTHING,
        NOT_RUN if len(there) < len(PHASES) else weakest(said),
        CENTROIDS,
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
        "per-example",
        "Per-example gradients at one checkpoint give a basis too, and its R̄ rises: init, mid, after grokking",
        " / ".join(number(value) for value in paper.PER_EXAMPLE.values()),
        " / ".join(number(value) for value in values) or NOTHING,
        NOT_RUN if len(values) < len(found) else CONTRADICTED if not rises else INSIDE if inside else SAME,
        PHASE,
    )


def _aggregation(numbers: Numbers) -> Claim:
    return _ratio_below(
        numbers,
        "aggregation",
        "aggregate_over_per_op",
        0.5,
        "Aggregating the operations' gradients hides the coupling (aggregate over per-op final R̄)",
        "a general obstruction",
    )


def _single_rows(numbers: Numbers) -> Claim:
    return _ratio_below(
        numbers,
        "multitask-window",
        "w1_over_per_op",
        1,
        "In a multitask network the window is needed to recover a direction (final R̄, W = 1 over the window's)",
        "mechanically necessary",
    )


def _ratio_below(numbers: Numbers, name: str, key: str, bound: float | int, claim: str, reported: str) -> Claim:
    """A claim that holds if every operation's ratio lies below ``bound``."""
    ratios = per_op(numbers, "derived", "multitask", key)
    said = weakest(SAME if ratio.mean < bound else CONTRADICTED for ratio in ratios.values())
    return Claim(name, claim, reported, listed(ratios), said, MULTITASK)


def _adamw(numbers: Numbers) -> Claim:
    """The factor that each part of AdamW leaves of the coupling; one of at least 1 contradicts."""
    titles = {
        "momentum": "momentum",
        "scaling": "scaling",
        "decay": "decay",
        "interval": "(not in the paper) the steps between checkpoints",
    }
    kinds = {kind: at(numbers, "derived", "left", kind) or {} for kind in ("single_task", "multitask")}
    factors = {
        title: [left[name] for left in kinds.values() if name in left]
        for name, title in titles.items()
        if any(name in left for left in kinds.values())
    }
    return Claim(
        "adamw",
        "Momentum, scaling and weight decay each contaminate the update (factor of R̄ left, single task / multitask)",
        "three sources of contamination",
        ", ".join(f"{title} {' / '.join(map(number, left))}" for title, left in factors.items()) or NOTHING,
        NOT_RUN if not factors else CONTRADICTED if any(max(left) >= 1 for left in factors.values()) else SAME,
        LADDER,
    )
