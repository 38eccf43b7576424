"""Claims about what the coupling depends on: window, rank, batch, centroid, single checkpoints (arXiv 2604.25143)."""

import itertools
from collections.abc import Iterator, Sequence

from sedlib.report.claims.claim import Claim, Source, weakest
from sedlib.report.claims.verdicts import (
    ABOUT,
    CONTRADICTED,
    INSIDE,
    NEW,
    NOT_RUN,
    OUTSIDE,
    SAME,
    TOLERANCE,
    verdict,
)
from sedlib.report.metrics.reading import PHASES, Numbers, nested
from sedlib.report.numbers import paper
from sedlib.report.numbers.digits import NOTHING, number, quotient
from sedlib.report.numbers.paper import exactly
from sedlib.report.numbers.seeds import Estimate

ABLATION = Source(None, "table2-ablations", "dvc repro ablations/dvc.yaml:ablate")
BATCH = Source(None, "table2-ablations", "dvc repro ablations/dvc.yaml:ablate_batch")
PHASE = Source(None, "table3-single-checkpoint", "dvc repro ablations/dvc.yaml:single_step")
CENTROIDS = Source(None, "centroids", "dvc repro ablations/dvc.yaml:single_step")
LEFT_OPEN = "left open"


def window(numbers: Numbers) -> Claim:
    """The peak of R₁ by window."""
    peaks = {int(window): found["r1_peak"] for window, found in (nested(numbers, "ablation", "window") or {}).items()}
    in_order = [peaks[window] for window in sorted(peaks)]
    falls = all(later <= (1 + TOLERANCE) * earlier for earlier, later in itertools.combinations(in_order, 2))
    return Claim(
        "window",
        "The peak of R₁ falls as the window grows, from the gradient alone, W = 1",
        ", ".join(f"W = {window}: {number(value)}" for window, value in paper.R1_BY_WINDOW.items()),
        ", ".join(f"W = {window}: {number(peaks[window])}" for window in sorted(peaks)) or NOTHING,
        NOT_RUN if len(in_order) < 2 else SAME if falls else CONTRADICTED,
        f"{SAME} if no longer window's peak of R₁ is more than {ABOUT} higher, else {CONTRADICTED}",
        ABLATION,
    )


def settings(numbers: Numbers) -> Claim:
    """Largest peak of R₁ over the smallest one, of what is about 5 % around the usual value."""
    found = {
        title: ratio
        for title, axis in (("rank", "rank"), ("probe seed", "probe_seed"))
        if (peaks := [values["r1_peak"] for values in (nested(numbers, "ablation", axis) or {}).values()])
        and (ratio := quotient(max(peaks), min(peaks))) is not None
    }
    about = paper.RANK_AND_PROBE_SPREAD
    most = (1 + about) / (1 - about)
    inside = all(ratio <= most for ratio in found.values())
    return Claim(
        "settings",
        "Rank and probe seed change little (largest over smallest peak of R₁, in which the rank has no part)",
        f"within about {100 * about:.0f} %",
        ", ".join(f"{title} {ratio:.2f}" for title, ratio in found.items()) or NOTHING,
        NOT_RUN if len(found) < 2 else INSIDE if inside else OUTSIDE,
        f"{INSIDE} if both ratios are at most {1 + about:g} / {1 - about:g}, else {OUTSIDE}",
        ABLATION,
    )


def left_open(numbers: Numbers) -> Iterator[Claim]:
    """What the paper did not vary: plateau and peak of R̄ at each value, and how much they differ."""
    for name, axis, claim, reported, source in (
        ("alignment", "alignment", "Windows that end at a checkpoint and windows that begin there", "either", ABLATION),
        ("pairs", "batch_pairs", "Gradient batches with and without held-out pairs", LEFT_OPEN, BATCH),
        ("batch-size", "batch_size", "Gradient batches of several sizes", LEFT_OPEN, BATCH),
        ("batch-seed", "batch_seed", "Gradient batches drawn from several seeds", LEFT_OPEN, BATCH),
        ("full-centroid", "centroid", "The simplified centroid and the full one", LEFT_OPEN, ABLATION),
    ):
        found = nested(numbers, "ablation", axis) or {}
        kept = [key for key in ("plateau", "peak") if all(values[key] is not None for values in found.values())]
        cells = [f"{value}: {' / '.join(number(values[key]) for key in kept)}" for value, values in found.items()]
        differ = [f"{key}s by {_difference([values[key] for values in found.values()])}" for key in kept if found]
        yield Claim(
            name,
            f"{claim} (plateau / peak of R̄)",
            reported,
            f"{', '.join(cells)}; differ: {', '.join(differ)}" if found else NOTHING,
            NEW if found else NOT_RUN,
            f"{NEW}: there is nothing to compare with",
            source,
        )


def _difference(values: Sequence[float | int]) -> str:
    ratio = quotient(max(values), min(values))
    return NOTHING if ratio is None else f"{100 * (ratio - 1):.0f} %"


def ranks(numbers: Numbers) -> Claim:
    """Both centroids' rank-90 at each phase."""
    found = {
        phase: [nested(numbers, "centroids", phase, f"rank90_{kind}") for kind in ("logit", "full")] for phase in PHASES
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
        "the weakest verdict on its ranks, each a size",
        CENTROIDS,
    )


def phases(numbers: Numbers) -> Claim:
    """R̄ of the per-example basis at each phase."""
    found = [nested(numbers, "single_step", phase, "per_example") for phase in paper.PER_EXAMPLE]
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
        f"{CONTRADICTED} unless R̄ rises from phase to phase; {INSIDE} if each is within {ABOUT} of the paper's, "
        f"else {SAME}",
        PHASE,
    )
