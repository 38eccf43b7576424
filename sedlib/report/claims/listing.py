"""The claims of both papers, one by one, beside what was measured; from the numbers in metrics.json alone."""

import pandas as pd

from sedlib.report.claims.claim import Claim
from sedlib.report.claims.companion_claims import companion_claims
from sedlib.report.claims.coupling_claims import coupling_claims
from sedlib.report.claims.intervention_claims import intervention_claims
from sedlib.report.metrics.reading import Numbers

HEADLINES = (
    "gradient-peak",
    "update-peak",
    "ceiling",
    "multitask-update",
    "multitask-per-op",
    "aggregation",
    "multitask-window",
    "adamw",
    "gradient-keep-random",
    "freeze",
    "directions",
    "lead",
)
"""Those that the README shows."""


def claims(numbers: Numbers) -> pd.DataFrame:
    """The summary, a row per claim."""
    return pd.DataFrame([claim.row() for claim in _all(numbers)])


def rules() -> pd.DataFrame:
    """How verdicts are decided once anything was measured: a row per rule, with the claims that follow it."""
    names: dict[str, list[str]] = {}
    for claim in _all({}):
        names.setdefault(claim.rule, []).append(claim.name)
    return pd.DataFrame([{"claims": ", ".join(of_rule), "rule": rule} for rule, of_rule in names.items()])


def headlines(claims: pd.DataFrame) -> pd.DataFrame:
    """The rows that the README shows."""
    return claims[claims["name"].isin(HEADLINES)].reset_index(drop=True)


def _all(numbers: Numbers) -> list[Claim]:
    return [*coupling_claims(numbers), *intervention_claims(numbers), *companion_claims(numbers)]
