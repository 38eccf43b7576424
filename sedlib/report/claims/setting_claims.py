"""Claims about what the coupling depends on: window, rank, batch, centroid, single checkpoints (arXiv 2604.25143)."""

import itertools
from collections.abc import Iterator, Mapping, Sequence

from sedlib.report.claims.claim import Claim, Compared, Implied, Source, alone, beside, weakest
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
from sedlib.report.metrics.reading import PHASES, Numbers, estimated, nested, of_phase, shown
from sedlib.report.numbers import paper
from sedlib.report.numbers.digits import NOTHING, number, quotient
from sedlib.report.numbers.paper import CENTROID_NAMES, exactly
from sedlib.report.numbers.seeds import Estimate

ABLATION = Source(None, "table2-ablations", "dvc repro ablations/dvc.yaml:ablate")
BATCH = Source(None, "table2-ablations", "dvc repro ablations/dvc.yaml:ablate_batch")
PHASE = Source(None, "table3-single-checkpoint", "dvc repro ablations/dvc.yaml:single_step")
CENTROIDS = Source(None, "centroids", "dvc repro ablations/dvc.yaml:single_step")
LEFT_OPEN = "left open"
VALUES: Mapping[str, str | Mapping[str, str]] = {
    "alignment": {"trailing": "end", "forward": "begin"},
    "batch_pairs": {"all": "all", "train": "training", "test": "held-out"},
    "batch_size": "{} pairs",
    "batch_seed": "seed {}",
    "centroid": CENTROID_NAMES,
}
"""Words for the values of what the paper left open, by axis."""


def window(numbers: Numbers) -> Claim:
    """The peak of R₁ by window."""
    peaks = {int(window): found["r1_peak"] for window, found in (nested(numbers, "ablation", "window") or {}).items()}
    reported = {f"W = {size}": exactly(value, "Table 2") for size, value in paper.R1_BY_WINDOW.items()}
    in_order = [peaks[window] for window in sorted(peaks)]
    falls = all(later <= (1 + TOLERANCE) * earlier for earlier, later in itertools.combinations(in_order, 2))
    return Claim(
        "window",
        "The coupling falls as the window grows",
        "peak R₁ at each window W",
        ", ".join(f"W = {window}: {number(value)}" for window, value in paper.R1_BY_WINDOW.items()),
        ", ".join(f"W = {window}: {number(peaks[window])}" for window in sorted(peaks)) or NOTHING,
        NOT_RUN if len(in_order) < 2 else SAME if falls else CONTRADICTED,
        f"{SAME} if no longer window's peak of R₁ is more than {ABOUT} higher, else {CONTRADICTED}",
        ABLATION,
        beside(alone({f"W = {size}": peaks[size] for size in sorted(peaks)}), reported),
    )


def settings(numbers: Numbers) -> Claim:
    """Largest over smallest peak of R₁, for the settings by which the paper's peak varies by about 5 %."""
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
        "Rank and probe seed change the coupling little",
        "largest peak R₁ / smallest",
        f"within about {100 * about:.0f} %",
        ", ".join(f"{title} {ratio:.2f}" for title, ratio in found.items()) or NOTHING,
        NOT_RUN if len(found) < 2 else INSIDE if inside else OUTSIDE,
        f"{INSIDE} if both ratios are at most {1 + about:g} / {1 - about:g}, else {OUTSIDE}",
        ABLATION,
        beside(alone(found)),
        Implied(1.0, most, f"at most {most:.2f}"),
    )


def left_open(numbers: Numbers) -> Iterator[Claim]:
    """What the paper did not vary: plateau and peak of R̄ at each value, and how much they differ."""
    for name, axis, sentence, source in (
        (
            "alignment",
            "alignment",
            "Windows that end at a checkpoint against windows that begin at a checkpoint",
            ABLATION,
        ),
        ("pairs", "batch_pairs", "Gradient batches of all pairs, of training pairs and of held-out pairs", BATCH),
        ("batch-size", "batch_size", "Gradient batches of several sizes", BATCH),
        ("batch-seed", "batch_seed", "Gradient batches drawn from several seeds", BATCH),
        ("full-centroid", "centroid", "The simplified centroid against the full centroid", ABLATION),
    ):
        found = {_worded(axis, value): values for value, values in (nested(numbers, "ablation", axis) or {}).items()}
        kept = [key for key in ("plateau", "peak") if all(values[key] is not None for values in found.values())]
        cells = [f"{value}: {' / '.join(number(values[key]) for key in kept)}" for value, values in found.items()]
        differ = [f"{key}s by {_difference([values[key] for values in found.values()])}" for key in kept if found]
        yield Claim(
            name,
            sentence,
            "plateau of R̄ / peak of R̄",
            LEFT_OPEN,
            f"{', '.join(cells)}; differ: {', '.join(differ)}" if found else NOTHING,
            NEW if found else NOT_RUN,
            f"{NEW}: there is nothing to compare with",
            source,
            beside(alone({f"{value}, {key}": values[key] for value, values in found.items() for key in kept})),
        )


def _worded(axis: str, value: str) -> str:
    words = VALUES[axis]
    return words.format(value) if isinstance(words, str) else words.get(value, value)


def _difference(values: Sequence[float | int]) -> str:
    ratio = quotient(max(values), min(values))
    return NOTHING if ratio is None else f"{100 * (ratio - 1):.0f} %"


def ranks(numbers: Numbers) -> Claim:
    """Both centroids' rank-90 at each phase."""
    found = {
        phase: [_of_phase(numbers, "centroids", phase, f"rank90_{kind}") for kind in CENTROID_NAMES] for phase in PHASES
    }
    there = {phase: [value for value in values if value] for phase, values in found.items() if None not in values}
    rows = [
        Compared(f"{phase}, {kind}", value, exactly(reported, "limitations", "size"))
        for phase, values in there.items()
        for kind, value, reported in zip(CENTROID_NAMES.values(), values, paper.RANK90[phase], strict=True)
    ]
    return Claim(
        "centroid-rank",
        "The centroids' rank rises, then collapses, for the simplified and the full centroid",
        "rank-90 of the simplified / the full centroid",
        ", ".join(f"{phase} {' / '.join(map(number, values))}" for phase, values in paper.RANK90.items()),
        ", ".join(f"{phase} {' / '.join(map(shown, values))}" for phase, values in there.items()) or NOTHING,
        NOT_RUN if len(there) < len(PHASES) else weakest(verdict(row.here, row.paper) for row in rows),
        "the weakest verdict on its ranks, each a size",
        CENTROIDS,
        rows,
    )


def phases(numbers: Numbers) -> Claim:
    """R̄ of the per-example basis at each phase."""
    found = {phase: _of_phase(numbers, "single_step", phase, "per_example") for phase in paper.PER_EXAMPLE}
    rows = [
        Compared(phase, here, exactly(reported, "Table 3"))
        for (phase, here), reported in zip(found.items(), paper.PER_EXAMPLE.values(), strict=True)
        if here
    ]
    rises = all(later.here.mean > earlier.here.mean for earlier, later in itertools.pairwise(rows))
    inside = all(verdict(row.here, row.paper) == INSIDE for row in rows)
    return Claim(
        "per-example",
        "Per-example gradients of one checkpoint give a basis, and its coupling rises over training",
        "R̄ at the start / midway / after grokking",
        " / ".join(number(value) for value in paper.PER_EXAMPLE.values()),
        " / ".join(shown(row.here) for row in rows) or NOTHING,
        NOT_RUN if len(rows) < len(found) else CONTRADICTED if not rises else INSIDE if inside else SAME,
        f"{CONTRADICTED} unless R̄, in the mean over seeds, rises from phase to phase; {INSIDE} if it is at each, "
        f"else {SAME}",
        PHASE,
        rows,
    )


def _of_phase(numbers: Numbers, section: str, phase: str, name: str) -> Estimate | None:
    return estimated(of_phase(nested(numbers, section, phase) or {}, name))
