"""One claim of a paper beside what was measured and the rule of its verdict; claims that give a range."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sedlib.report.claims.verdicts import CONTRADICTED, INSIDE, NOT_RUN, OUTSIDE, SAME, verdict
from sedlib.report.metrics.reading import Numbers, estimated, nested, shown
from sedlib.report.numbers.digits import NOTHING
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
class Claim:
    """One line of the summary."""

    name: str
    claim: str
    paper: str
    ours: str
    verdict: str
    rule: str
    """How the verdict is decided, where anything was measured."""
    source: Source

    def row(self) -> dict[str, str]:
        """The claim with its files; a figure that nothing was drawn in is left out."""
        drawn = self.source.figure is not None and self.ours != NOTHING
        return {
            **{key: getattr(self, key) for key in ("name", "claim", "paper", "ours", "verdict")},
            "figure": f"{self.source.figure}.svg" if drawn else NOTHING,
            "table": f"{self.source.table}.csv",
            "command": self.source.command,
        }


def per_op(numbers: Numbers, *keys: str) -> dict[str, Estimate]:
    """By operation of the paper, the estimate under ``keys``, the last of which is the quantity."""
    *path, quantity = keys
    found = {op: estimated(nested(numbers, *path, op, quantity)) for op in OPS}
    return {op: estimate for op, estimate in found.items() if estimate}


def of_range(name: str, claim: str, reported: Reported, found: Mapping[str, Estimate], source: Source) -> Claim:
    """Every operation's estimate against one range; the verdict is the weakest of them."""
    said = weakest(verdict(estimate, reported) for estimate in found.values())
    return Claim(name, claim, str(reported), listed(found), said, EACH_OPERATION, source)


def listed(found: Mapping[str, Estimate]) -> str:
    """Estimates by operation in a cell."""
    return ", ".join(f"{op} {shown(estimate)}" for op, estimate in found.items()) or NOTHING


def weakest(verdicts: Iterable[str]) -> str:
    """The least favourable of some verdicts."""
    found = set(verdicts)
    return next((said for said in ORDER if said in found), NOT_RUN)
