"""Claims that the paper makes by the cells of its tables: each operation, each phase, each ε (arXiv 2604.25143)."""

from collections.abc import Iterator, Mapping

from sedlib.report.claims.claim import EACH_OPERATION, Claim, Compared, Source, alone, beside, listed, per_op, weakest
from sedlib.report.claims.setting_claims import ABLATION, PHASE
from sedlib.report.claims.verdicts import verdict
from sedlib.report.metrics.reading import PHASES, Numbers, estimated, nested, of_phase, shown
from sedlib.report.numbers import paper
from sedlib.report.numbers.digits import NOTHING, number, spanned
from sedlib.report.numbers.paper import Reported, exactly

TABLE_1 = "table1-single-task"


def operation_claims(numbers: Numbers) -> Iterator[Claim]:
    """Table 1 by operation: peaks under gradient and update, and what the update keeps at the end."""
    seeds = {op: Reported(min(peaks), max(peaks), "Table 1") for op, peaks in paper.GRADIENT_PEAK.items()}
    yield _by_operation(
        numbers,
        "gradient-by-operation",
        "Each operation has its peak of the gradient's coupling",
        "gradient_peak",
        seeds,
        Source("figure2-gradient-sed", TABLE_1, "dvc repro figures"),
    )
    update = Source("figure1-update-sed", TABLE_1, "dvc repro figures")
    yield _by_operation(
        numbers,
        "update-by-operation",
        "Each operation has its peak of the update's coupling",
        "update_peak",
        {op: exactly(peak, "Table 1, seed 42") for op, peak in paper.UPDATE_PEAK.items()},
        update,
    )
    yield _by_operation(
        numbers,
        "update-decays",
        "After its peak the update's coupling decays to little",
        "update_final",
        {op: exactly(final, "Table 1, seed 42") for op, final in paper.UPDATE_FINAL.items()},
        update,
    )


def epsilon(numbers: Numbers) -> Claim:
    """The peak of R₁ at each step of the difference that the paper has."""
    measured = nested(numbers, "ablation", "epsilon") or {}
    reported = {f"ε = {step:g}": exactly(value, "Table 2") for step, value in paper.R1_BY_EPSILON.items()}
    by_step = {f"ε = {float(step):g}": found.get("r1_peak") for step, found in measured.items()}
    found = alone({label: by_step[label] for label in reported if label in by_step})
    return Claim(
        "epsilon",
        "A large step of the difference lowers the coupling",
        "peak R₁ at each ε",
        ", ".join(f"{label}: {value.low:g}" for label, value in reported.items()),
        ", ".join(f"{label}: {number(value.mean)}" for label, value in found.items()) or NOTHING,
        weakest(verdict(value, reported[label]) for label, value in found.items()),
        "the weakest verdict on its values of ε",
        ABLATION,
        beside(found, reported),
    )


def per_example_cosine(numbers: Numbers) -> Claim:
    """|cos| of the first per-example direction with the mean gradient at each phase."""
    found = {phase: estimated(of_phase(nested(numbers, "single_step", phase) or {}, "cosine")) for phase in PHASES}
    rows = [Compared(phase, here, paper.PER_EXAMPLE_COSINE) for phase, here in found.items() if here]
    return Claim(
        "per-example-cosine",
        "The first direction of per-example gradients is not the mean gradient",
        "|cos| between the two at the start / midway / after grokking",
        str(paper.PER_EXAMPLE_COSINE),
        " / ".join(shown(row.here) for row in rows) or NOTHING,
        weakest(verdict(row.here, row.paper) for row in rows),
        "the weakest verdict on its phases, each a size",
        PHASE,
        rows,
    )


def _by_operation(
    numbers: Numbers, name: str, sentence: str, quantity: str, reported: Mapping[str, Reported], source: Source
) -> Claim:
    found = per_op(numbers, "single_task", quantity)
    return Claim(
        name,
        sentence,
        "R̄, one operation",
        ", ".join(f"{op} {spanned(reported[op].low, reported[op].high)}" for op in reported),
        listed(found),
        weakest(verdict(here, reported[op]) for op, here in found.items()),
        EACH_OPERATION,
        source,
        beside(found, reported),
    )
