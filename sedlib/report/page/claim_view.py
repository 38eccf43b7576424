"""A claim as the page shows it: its picture, its numbers, its figure inside the page."""

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sedlib.report.causes.other_causes import causes_of
from sedlib.report.claims.claim import Claim, Compared
from sedlib.report.claims.definitions import TEXT
from sedlib.report.claims.settling import settled_with
from sedlib.report.claims.verdicts import MEANINGS
from sedlib.report.drawn.forest import Forest, forest
from sedlib.report.judged.listing import QUESTIONS, all_claims
from sedlib.report.judged.scoreboard import span_here
from sedlib.report.metrics.reading import Numbers, shown
from sedlib.report.numbers.digits import NOTHING


@dataclass(frozen=True)
class ClaimView:
    """What the template needs of a claim."""

    claim: Claim
    why: Mapping[str, str]
    """Why the claim deviates, by definition."""
    settled_with: str | None
    """How many seeds would settle it."""
    picture: Forest | None
    span: str
    """From the smallest to the largest mean."""
    rows: Sequence[Mapping[str, str]]
    figure: str | None
    """Key of the figure among the page's."""


@dataclass(frozen=True)
class ClaimsView:
    """All claims by question, how many have which verdict, and the figures that they show."""

    by_question: Mapping[str, Sequence[ClaimView]]
    counts: Mapping[str, int]
    figures: Mapping[str, str]
    """As addresses that hold the picture itself."""


def claims_view(numbers: Numbers, figures: Path) -> ClaimsView:
    """The claims of some numbers; a figure that is not in the folder is left out."""
    views = {claim.name: _view(claim, figures) for claim in all_claims(numbers)}
    counts = Counter(view.claim.verdict for view in views.values())
    used = sorted({view.figure for view in views.values() if view.figure})
    return ClaimsView(
        {question: [views[name] for name in names] for question, names in QUESTIONS.items()},
        {name: counts[name] for name in MEANINGS if counts[name]},
        {name: _inside(figures / name) for name in used},
    )


def _view(claim: Claim, figures: Path) -> ClaimView:
    rows = [_row(claim, TEXT, row) for row in claim.rows]
    rows += [_row(claim, judged.definition, row) for judged in claim.others for row in judged.rows]
    drawn = claim.figure if claim.figure and (figures / claim.figure).exists() else None
    return ClaimView(claim, causes_of(claim), settled_with(claim), forest(claim), span_here(claim), rows, drawn)


def _row(claim: Claim, definition: str, row: Compared) -> dict[str, str]:
    return {
        "of": row.label,
        "definition": definition,
        "paper": str(row.paper) if row.paper else claim.implied.text if claim.implied else NOTHING,
        "here": shown(row.here),
        "n": str(row.here.n),
    }


def _inside(path: Path) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(path.read_bytes()).decode()}"
