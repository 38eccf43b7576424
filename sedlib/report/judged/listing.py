"""The claims of both papers, one by one, beside what was measured; from the numbers in metrics.json alone."""

from dataclasses import replace

import pandas as pd

from sedlib.report.causes.other_causes import causes_of
from sedlib.report.claims.claim import Claim
from sedlib.report.claims.companion_claims import companion_claims
from sedlib.report.claims.coupling_claims import coupling_claims
from sedlib.report.claims.intervention_claims import intervention_claims
from sedlib.report.claims.other_definitions import others
from sedlib.report.claims.settling import settled_by_definition
from sedlib.report.metrics.reading import Numbers

QUESTIONS = {
    "Which directions move the features?": (
        "gradient-peak",
        "update-peak",
        "gradient-over-update",
        "gradient-by-operation",
        "update-by-operation",
        "update-decays",
        "op-spread",
        "ceiling",
        "per-example",
        "per-example-cosine",
    ),
    "What does the coupling depend on?": (
        "window",
        "settings",
        "epsilon",
        "centroid-rank",
        "alignment",
        "pairs",
        "batch-size",
        "batch-seed",
        "full-centroid",
    ),
    "What changes when one network learns four operations?": (
        "multitask-update",
        "multitask-per-op",
        "aggregation",
        "multitask-window",
    ),
    "Which part of AdamW hides the coupling?": ("adamw",),
    "Which steps of attention does grokking need?": (
        "update-remove-sed",
        "gradient-remove-sed",
        "update-remove-random",
        "gradient-remove-random",
        "update-keep-sed",
        "gradient-keep-sed",
        "update-keep-random",
        "gradient-keep-random",
        "freeze",
        "rank-curve",
        "directions",
        "history",
        "weight-decay-0",
    ),
    "How does the trajectory curve before grokking?": (
        "pc1",
        "pc1-z",
        "lead",
        "defect-growth",
        "rho",
        "share",
    ),
}
"""The claims by what they answer, in the order in which the page shows them; the last are the companion paper's."""


def all_claims(numbers: Numbers) -> list[Claim]:
    """Every claim, question by question."""
    found = {
        claim.name: claim for of in (coupling_claims, intervention_claims, companion_claims) for claim in of(numbers)
    }
    return [replace(found[name], others=tuple(others(name, numbers))) for names in QUESTIONS.values() for name in names]


def claims(numbers: Numbers) -> pd.DataFrame:
    """The summary, a row for each claim and definition that it was judged under."""
    found = all_claims(numbers)
    return pd.DataFrame(
        [row for claim in found for row in claim.table_rows(causes_of(claim), settled_by_definition(claim))]
    )


def rules() -> pd.DataFrame:
    """How verdicts are decided once anything was measured: a row per rule, with the claims that follow it."""
    names: dict[str, list[str]] = {}
    for claim in all_claims({}):
        names.setdefault(claim.rule, []).append(claim.name)
    return pd.DataFrame([{"claims": ", ".join(of_rule), "rule": rule} for rule, of_rule in names.items()])
