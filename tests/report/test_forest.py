"""The picture of a claim: where its numbers lie, and what its axis says; and the five points above it."""

import json
import math

import pytest

from sedlib.report.claims.claim import Claim, Compared, Implied, Source
from sedlib.report.drawn.forest import LEFT, MARGIN, WIDTH, Forest, forest
from sedlib.report.judged.findings import SENTENCES, findings
from sedlib.report.judged.listing import all_claims
from sedlib.report.numbers.paper import Reported
from sedlib.report.numbers.seeds import Estimate
from sedlib.report.page.terms import TABLES
from sedlib.report.page.writing import all_tables
from tests.imports import ROOT


def drawn(*rows: Compared, implied: Implied | None = None, quantity: str = "ratio") -> Forest:
    claim = Claim("a", "A", quantity, "", "", "inside", "", Source(None, "", ""), rows, implied)
    found = forest(claim)
    assert found
    return found


def here(mean: float, low: float | None = None, high: float | None = None) -> Estimate:
    low, high = (None if end is None else float(end) for end in (low, high))
    return Estimate(float(mean), low, high, 3)


def test_numbers_that_lie_far_apart_have_a_logarithmic_axis() -> None:
    found = drawn(Compared("add", here(10, 1, 100)))
    (strip,) = found.strips
    assert strip.mean - strip.here.left == pytest.approx(strip.here.right - strip.mean, abs=0.2)
    assert LEFT + MARGIN <= strip.here.left < strip.here.right <= WIDTH - MARGIN
    linear = drawn(Compared("add", here(2, 1, 3))).strips[0]
    assert linear.mean - linear.here.left == pytest.approx(linear.here.right - linear.mean, abs=0.2)


def test_the_axis_holds_the_papers_range_and_where_no_effect_is() -> None:
    found = drawn(Compared("add", here(150), Reported(110.0, 330.0, "")))
    assert found.one == pytest.approx(LEFT + MARGIN, abs=10)
    paper = found.strips[0].paper
    assert paper
    assert found.one is not None
    assert found.one < paper.left < found.strips[0].mean < paper.right
    assert drawn(Compared("lead", here(879), Reported(600.0, 1600.0, "")), quantity="steps").one is None


def test_what_has_no_end_reaches_the_end_of_the_axis() -> None:
    found = drawn(Compared("z", here(20), Reported(5.0, math.inf, "", "size")))
    paper = found.strips[0].paper
    assert paper
    assert paper.right == WIDTH - MARGIN
    below = drawn(Compared("sum", here(0.8)), implied=Implied(-math.inf, 0.5, "below 0.5")).implied
    assert below
    assert below.left == LEFT + MARGIN < below.right


@pytest.mark.parametrize("values", [(1, 1), (0.9999, 1), (3, 330), (0, 5), (0.2, 0.9), (1e-3, 1e5)])
def test_ticks_are_few_different_and_inside(values: tuple[float, float]) -> None:
    ticks = drawn(*(Compared("", here(value)) for value in values)).ticks
    assert 2 <= len(ticks) <= 10
    assert len({text for _, text in ticks}) == len(ticks)
    assert all(LEFT + MARGIN <= x <= WIDTH - MARGIN for x, _ in ticks)


def test_a_claim_without_numbers_has_no_picture() -> None:
    assert forest(Claim("a", "A", "q", "", "", "not run", "", Source(None, "", ""))) is None


def test_the_committed_numbers_carry_all_five_points() -> None:
    found = findings(json.loads((ROOT / "reports/metrics.json").read_text()))
    assert len(found) == len(SENTENCES) == 5
    assert not [sentence for sentence in found if "paper" in sentence and "reproduces" not in sentence]


def test_a_sentence_that_does_not_hold_gives_way_to_its_claims() -> None:
    first, *_ = findings({})
    assert first.count(": not run.") == 2
    peak = {"mean": 0.5, "low": None, "high": None, "n": 1}
    first, *_ = findings({"single_task": {"add": {"gradient_peak": peak}}})
    assert "does: contradicted, paper 110–330, here 0.5." in first


def test_every_table_of_the_page_says_what_it_shows() -> None:
    assert all_tables({}).keys() <= TABLES.keys()


def test_a_label_is_short_enough_to_stand_before_its_axis() -> None:
    found = all_claims(json.loads((ROOT / "reports/metrics.json").read_text()))
    too_long = [row.label for claim in found for row in claim.rows if len(row.label) > LEFT / 5.4]
    assert too_long == []
