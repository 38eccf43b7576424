"""The claims of both papers, one by one, beside what was measured; from the numbers in metrics.json alone."""

import pandas as pd

from sedlib.report.claims.claim import Numbers
from sedlib.report.claims.companion_claims import companion_claims
from sedlib.report.claims.coupling_claims import coupling_claims
from sedlib.report.claims.intervention_claims import intervention_claims

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
    found = [*coupling_claims(numbers), *intervention_claims(numbers), *companion_claims(numbers)]
    return pd.DataFrame([claim.row() for claim in found])


def headlines(claims: pd.DataFrame) -> pd.DataFrame:
    """The rows that the README shows."""
    return claims[claims["name"].isin(HEADLINES)].reset_index(drop=True)
