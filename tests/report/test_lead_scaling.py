from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sedlib.report.sweeps.lead_scaling import lead_figure, leads_of, scaling
from tests.report.made_up_leads import folder


@pytest.fixture
def leads(tmp_path: Path) -> pd.DataFrame:
    """Four learning rates; the fastest run's onset is not before 90 %."""
    runs = {1e-4: (500, 1500, 1600), 1e-3: (60, 700, 800), 3e-3: (150, 400, 500), 1e-2: (200, 200, 300)}
    return leads_of({rate: folder(tmp_path / str(rate), *steps) for rate, steps in runs.items()}, 0.98)


def test_each_rate_has_its_onset_lead_and_grok_step(leads: pd.DataFrame) -> None:
    by_rate = {row["lr"]: row for row in leads.to_dict("records")}
    names = ["onset", "accurate_step", "lead", "grok_step"]
    assert [by_rate[1e-3][name] for name in names] == [60, 700, 640, 800]
    assert by_rate[1e-2]["lead"] == 0


def test_the_exponent_is_fitted_where_there_is_a_lead(leads: pd.DataFrame) -> None:
    exact = leads.assign(lead=[1600, 640, 250, 0], grok_step=[1265, 800, 500, 300])
    law = scaling(exact)
    assert law["exponent"] == pytest.approx(2, abs=0.01)
    assert law["low"] < 2 < law["high"]
    assert (law["n"], law["left_out"]) == (3, [0.01])
    axes = lead_figure(exact, law).axes[0]
    assert axes.get_xscale() == "log"
    assert np.asarray(axes.lines[0].get_xdata()).tolist() == [1265, 800, 500]


def test_too_few_leads_are_a_reason_and_not_a_fit(leads: pd.DataFrame) -> None:
    law = scaling(leads.iloc[2:])
    assert law["exponent"] is None
    assert "at least three runs" in law["reason"]
    lead_figure(leads.iloc[:0], law).canvas.draw()
