"""A table that a claim names says of a number what the claim says of it."""

import json
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

from sedlib.report.claims.claim import Claim, Compared
from sedlib.report.claims.verdicts import verdict
from sedlib.report.judged.listing import all_claims
from sedlib.report.metrics.reading import Numbers, shown
from sedlib.report.numbers.digits import number
from sedlib.report.page.writing import all_tables
from tests.imports import ROOT

COLUMNS = ("", ": speed-up", ": lead")
"""Ends of the names of a table's two columns, the paper's and ours."""
WITH_ROWS = {"per-example", "centroid-rank", "lead", "pc1", "pc1-z", "rho", "share", "update-keep-random"}
"""Claims whose tables surely have their numbers, so that the test is about something."""


@pytest.fixture(scope="module")
def numbers() -> Numbers:
    found: dict[str, Any] = json.loads((ROOT / "reports/metrics.json").read_text())
    return found


def same_numbers(table: pd.DataFrame, row: Compared) -> Iterator["pd.Series[Any]"]:
    """The table's rows with this mean beside this number of the paper; ``ours`` is what such a row shows."""
    for end in COLUMNS:
        if f"here{end}" in table:
            same = table[f"paper{end}"].astype(str) == str(row.paper)
            mean = table[f"here{end}"].astype(str).str.split().str[0] == number(row.here.mean)
            yield from (found.rename({f"here{end}": "ours"}) for _, found in table[same & mean].iterrows())


def disagreements(claims: list[Claim], tables: dict[str, pd.DataFrame]) -> tuple[list[str], set[str]]:
    """What the tables say otherwise, and the claims whose numbers they have."""
    faults, seen = [], set()
    for claim in claims:
        for row in claim.rows:
            expected = verdict(row.here, row.paper) if len(claim.rows) > 1 else claim.verdict
            for found in same_numbers(tables[claim.source.table], row) if row.paper else ():
                seen.add(claim.name)
                if (found["ours"], found["verdict"]) != (shown(row.here), expected):
                    faults.append(f"{claim.name}, {row.label}: {found['ours']} is {found['verdict']}, not {expected}")
    return faults, seen


def test_no_row_of_a_table_has_another_verdict_than_the_claim_that_names_the_table(numbers: Numbers) -> None:
    faults, seen = disagreements(all_claims(numbers), all_tables(numbers))
    assert faults == []
    assert seen >= WITH_ROWS


def test_a_row_judged_by_its_mean_alone_is_found_out(numbers: Numbers) -> None:
    tables = all_tables(numbers)
    leads = tables["leads"]
    leads.loc[leads["runs"] == "single task", "verdict"] = "outside"
    (fault,) = disagreements([claim for claim in all_claims(numbers) if claim.name == "lead"], tables)[0]
    assert "lead, mean lead" in fault
    assert "is outside" in fault
