from pathlib import Path

import pandas as pd
import pytest

from sedlib.base.errors import UserError
from sedlib.grokking.setup.experiment import Experiment
from sedlib.grokking.setup.params import Params
from sedlib.report.sweeps.slow_regime import SlowRun, for_reading, require_slow_regime
from tests.report.made_up_leads import folder

ROOT = Path(__file__).parents[2]


@pytest.fixture
def slow(tmp_path: Path) -> SlowRun:
    return SlowRun(folder(tmp_path, onset=500, accurate=1500, grokked=1600), 0.98)


def test_each_number_stands_beside_the_papers(slow: SlowRun) -> None:
    table = slow.beside_paper().set_index("quantity")
    names = ["grok step", "onset of the commutator defect", "step of 90 % held-out accuracy", "lead, steps"]
    assert table["measured"].reindex(names).tolist() == [1600, 500, 1500, 1000]
    assert table.loc["lead / grok step", "measured"] == pytest.approx(1000 / 1600)
    assert table.loc["grok step", "low"] == 570_000
    shown = for_reading(slow.beside_paper()).set_index("quantity")
    assert shown["paper"]["lead, steps"] == "400,000–558,000"
    assert shown["here"]["lead, steps"] == "1,000"


def test_a_run_that_never_groks_has_no_lead_and_no_number_in_its_place(tmp_path: Path) -> None:
    slow = SlowRun(folder(tmp_path, onset=500, accurate=9000, grokked=9000), 0.98)
    shown = for_reading(slow.beside_paper()).set_index("quantity")["here"]
    assert (shown[["grok step", "lead, steps", "lead / grok step"]] == "–").all()
    assert shown["onset of the commutator defect"] == "500"
    slow.figure().canvas.draw()


def test_the_figure_has_defect_and_accuracy(slow: SlowRun) -> None:
    left, right = slow.figure().axes
    assert left.get_yscale() == "log"
    assert any(pd.Series(line.get_ydata()).max() == 0.99 for line in right.lines)


@pytest.mark.parametrize(
    ("section", "change"),
    [
        ("model", {"layers": 2}),
        ("optimizer", {"lr": 0.001}),
        ("optimizer", {"weight_decay": 1.0}),
        ("optimizer", {"betas": [0.9, 0.98]}),
        ("run", {"ops": ["mul"]}),
        ("run", {"ops": ["add", "mul"]}),
    ],
)
def test_another_regime_is_refused(section: str, change: dict[str, object]) -> None:
    given = Experiment.load("add-42", ROOT / "sweeps/slow_regime/params.yaml").model_dump()
    require_slow_regime("add-42", given)
    ((name, _),) = change.items()
    with pytest.raises(UserError, match=f"add-42 must be of the slow regime, {name} "):
        require_slow_regime("add-42", {**given, section: {**given[section], **change}})


def test_the_sweep_trains_what_the_paper_says() -> None:
    params = Params.load(ROOT / "sweeps/slow_regime/params.yaml")
    assert (params.model.layers, params.optimizer.lr, params.optimizer.weight_decay) == (3, 5e-5, 0.1)
    assert params.optimizer.betas[1] == 0.999
    assert params.runs["add-42"].max_steps == 650_000
