"""One claim of a paper beside what was measured and the rule of its verdict; claims that give a range."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sedlib.report.claims.definitions import TEXT
from sedlib.report.claims.verdicts import CONTRADICTED, INSIDE, NOT_RUN, OUTSIDE, SAME, verdict
from sedlib.report.metrics.reading import Numbers, estimated, nested, shown
from sedlib.report.numbers.digits import NOTHING, spanned
from sedlib.report.numbers.paper import OPS, Reported
from sedlib.report.numbers.seeds import Estimate

ORDER = (CONTRADICTED, OUTSIDE, SAME, INSIDE)
"""From the least favourable verdict on."""
WEAKEST = f"The weakest of several verdicts is the first of these: {', '.join(ORDER)}."
EACH_OPERATION = "the weakest verdict on its operations"


@dataclass(frozen=True)
class Source:
    """Where a claim's numbers are seen, and what computes them."""

    figure: str | None
    """In reports/figures, without its ending."""
    table: str
    """In reports/tables, without its ending."""
    command: str


@dataclass(frozen=True)
class Compared:
    """One number of a claim beside the paper's."""

    label: str
    """The operation or setting that the number belongs to."""
    here: Estimate
    paper: Reported | None = None


@dataclass(frozen=True)
class Implied:
    """The range in which a rule wants every number of a claim, where the paper prints none."""

    low: float
    high: float
    text: str


@dataclass(frozen=True)
class Judged:
    """A claim under another definition than the text's."""

    definition: str
    here: str
    verdict: str
    rows: Sequence[Compared] = ()
    contrast: Estimate | None = None
    """As that of the claim."""

    @property
    def seeds(self) -> str:
        """Over how many seeds its means are: one number, or a range."""
        return counted(self.rows)


@dataclass(frozen=True)
class Claim:
    """One claim, readable by itself."""

    name: str
    sentence: str
    quantity: str
    """What the numbers are."""
    paper: str
    here: str
    verdict: str
    rule: str
    """How the verdict is decided, where anything was measured."""
    source: Source
    rows: Sequence[Compared] = ()
    """The numbers, of one quantity, that share an axis."""
    implied: Implied | None = None

    counted: str | None = None
    """What the claim's numbers are counted over, where that is not the seeds of each number."""
    contrast: Estimate | None = None
    """The difference by seed whose side of 0 is the verdict, where the rule compares two of the numbers."""
    others: Sequence[Judged] = ()
    """The claim under other definitions; its own verdict is on the text's."""

    @property
    def seeds(self) -> str:
        """Over how many seeds its means are: one number, or a range."""
        if self.counted and self.here != NOTHING:
            return self.counted
        return counted(self.rows)

    @property
    def figure(self) -> str | None:
        """Its file; None where nothing was drawn."""
        drawn = self.source.figure is not None and self.here != NOTHING
        return f"{self.source.figure}.svg" if drawn else None

    def table_rows(self, causes: Mapping[str, str], needed: Mapping[str, str]) -> Iterator[dict[str, str]]:
        """The claim with its files, and below it a row for each other definition.

        ``causes`` say why it deviates, ``needed`` how many seeds would settle it, both by definition. A figure that
        nothing was drawn in is left out.
        """
        own = Judged(TEXT, self.here, self.verdict)
        for judged in (own, *self.others):
            yield {
                "name": self.name,
                "claim": f"{self.sentence} ({self.quantity})",
                "definition": judged.definition,
                "paper": self.paper,
                "here": judged.here,
                "seeds": self.seeds if judged is own else judged.seeds,
                "settled with": needed.get(judged.definition, NOTHING),
                "verdict": judged.verdict,
                "cause of the deviation": causes.get(judged.definition, NOTHING),
                "figure": self.figure or NOTHING,
                "table": f"{self.source.table}.csv",
                "command": self.source.command,
            }


def counted(rows: Sequence[Compared]) -> str:
    """Over how many seeds some means are: one number, or a range."""
    counts = [row.here.n for row in rows]
    return spanned(min(counts), max(counts)) if counts else NOTHING


def per_op(numbers: Numbers, *keys: str) -> dict[str, Estimate]:
    """By operation of the paper, the estimate under ``keys``, the last of which is the quantity."""
    *path, quantity = keys
    found = {op: estimated(nested(numbers, *path, op, quantity)) for op in OPS}
    return {op: estimate for op, estimate in found.items() if estimate}


def of_range(
    name: str, sentence: str, quantity: str, reported: Reported, found: Mapping[str, Estimate], source: Source
) -> Claim:
    """Every operation's estimate against one range; the verdict is the weakest of them."""
    said = weakest(verdict(estimate, reported) for estimate in found.values())
    rows = beside(found, dict.fromkeys(found, reported))
    return Claim(name, sentence, quantity, str(reported), listed(found), said, EACH_OPERATION, source, rows)


def beside(
    found: Mapping[str, Estimate], reported: Mapping[str, Reported | None] | None = None
) -> tuple[Compared, ...]:
    """Numbers by label, each beside the paper's of that label."""
    return tuple(Compared(label, estimate, (reported or {}).get(label)) for label, estimate in found.items())


def alone(values: Mapping[str, float | int | None]) -> dict[str, Estimate]:
    """Numbers of single runs, without those that do not exist."""
    return {label: Estimate(float(value), None, None, 1) for label, value in values.items() if value is not None}


def listed(found: Mapping[str, Estimate]) -> str:
    """Estimates by operation in a cell."""
    return ", ".join(f"{op} {shown(estimate)}" for op, estimate in found.items()) or NOTHING


def weakest(verdicts: Iterable[str]) -> str:
    """The least favourable of some verdicts."""
    found = set(verdicts)
    return next((said for said in ORDER if said in found), NOT_RUN)
