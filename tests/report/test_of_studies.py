"""The report of any study says no more than its seeds and its readouts settle."""

import pandas as pd
import pytest

from sedlib.report.numbers.results import RunResults
from sedlib.report.of_studies.answers import NO, OPEN, YES, Answer
from sedlib.report.of_studies.condensed import condensed
from sedlib.report.of_studies.lead_answers import lead_answers
from sedlib.report.of_studies.questions import RUNG
from sedlib.report.of_studies.study_results import Experiment, StudyRun


def rung(name: str, verdict: str) -> Answer:
    return Answer(RUNG, "rings", f"side, {name}", [0.4], verdict)


@pytest.mark.parametrize(
    ("first", "second", "verdict", "same"),
    [
        (OPEN, OPEN, "not settled", "\N{EN DASH}"),
        (OPEN, NO, "none", "no"),
        (YES, OPEN, "momentum", "no"),
    ],
)
def test_rungs_lose_no_coupling_only_where_something_is_settled(
    first: str, second: str, verdict: str, same: str
) -> None:
    (row,) = condensed([rung("momentum", first), rung("step", second)]).to_dict("records")
    assert (row["verdict"], row["the same"]) == (verdict, same)


@pytest.mark.parametrize(("readout", "asked"), [("test_accuracy", 2), ("test_error", 0)])
def test_a_study_without_accuracies_is_not_said_to_generalise_nowhere(
    readout: str, asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = pd.DataFrame({"step": [0, 10], "op": "line", readout: [0.1, 0.2]})
    unread = pd.DataFrame()
    run = StudyRun("line-1", 1, RunResults(training, unread, unread, unread))
    monkeypatch.setattr(StudyRun, "onsets", lambda self: {"commutator defect": None, "spectral gap": 10})
    assert len(list(lead_answers(Experiment("line", [run])))) == asked
