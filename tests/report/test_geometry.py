"""Numbers, tables and figures of the trajectory's geometry from made-up tables, by hand."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from sedlib.base.errors import UserError
from sedlib.report.drawn.geometry_figures import geometry_figures
from sedlib.report.metrics.all_metrics import metrics
from sedlib.report.numbers.collection import Collection, collect
from sedlib.report.numbers.results import RunFolder
from sedlib.report.numbers.trajectories import Geometry, as_text, geometry_numbers, in_basis, lead_numbers
from sedlib.report.tabled.geometry_tables import geometry_tables
from sedlib.terms.tables.training_table import TRAINING
from tests.report import made_up
from tests.report.made_up import EXPECTED, STEPS, collection


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    return collection(tmp_path_factory.mktemp("results"))


TRAINED = [0.0, 0.95, 0.96, 1.0, 1.0]


def numbers_of(accuracies: dict[str, list[float]], defects: list[float]) -> dict[str, Any]:
    tables = made_up.geometry_tables(1)
    curvature = tables.pop("curvature")
    geometry = Geometry(**tables, curvature=in_basis(curvature), in_weights=in_basis(curvature, "weights"))
    geometry = replace(geometry, curvature=geometry.curvature.assign(defect=defects))
    training = pd.concat(
        [
            pd.DataFrame({"step": STEPS, "op": op, "train_accuracy": TRAINED, "test_accuracy": values})
            for op, values in accuracies.items()
        ]
    )
    return geometry_numbers(geometry, training)


RISES = [4.0, 4.0, 100.0, 400.0, 400.0]


def test_numbers_by_hand() -> None:
    assert numbers_of({"add": [0.0, 0.1, 0.2, 0.9, 1.0]}, RISES) == {
        "pc1_min": 70,
        "pc1_max": 90,
        "z_min": 5,
        "defect_growth": 100,
        "onset": 20,
        "accurate_step": 30,
        "lead": 10,
        "share_over_random": 2,
        "weights_share_before": 2,  # the median of 1, 2 and 3
        "weights_share_after": 1,
        "weights_share_over_random": 1,
        "weights_share_memorised": 2.5,  # of steps 10 and 20: 2 and 3
        "rho": pytest.approx(0.9999),
        "alignment_over_random": 3,  # the median of 2, 3, 4 and 3: nothing led to the first checkpoint
    }


def test_a_defect_of_zero_names_the_run(found: Collection) -> None:
    run = next(iter(found.geometry))
    geometry = found.geometry[run]
    still = replace(geometry, curvature=geometry.curvature.assign(defect=0.0))
    with pytest.raises(UserError, match=f"geometry of {run}: defects must be positive and finite, got 0.0 to 0.0"):
        metrics(replace(found, geometry={run: still}))


def test_a_lead_can_be_negative() -> None:
    assert numbers_of({"add": [0.0, 0.95, 1.0, 1.0, 1.0]}, RISES)["lead"] == -10


def test_the_lead_of_several_operations_ends_when_all_are_accurate() -> None:
    accuracies = {"add": [0.0, 0.95, 0.95, 0.95, 0.95], "mul": [0.0, 0.1, 0.2, 0.89, 0.95]}
    assert numbers_of(accuracies, RISES)["accurate_step"] == 40


def test_what_a_run_never_reaches_is_empty_with_a_reason() -> None:
    never = numbers_of({"add": [0.0, 0.1, 0.2, 0.2, 0.25]}, [4.0, 4.0, 5.0, 30.0, 39.0])
    assert (never["onset"], never["accurate_step"], never["lead"]) == (None, None, None)
    assert never["reason"] == "no defect above 20 and 10 times the first ones; test accuracy reached 0.250, not 0.9"
    assert never["defect_growth"] == 9.75
    false_alarm = numbers_of({"add": [0.0] * 5}, RISES)
    assert (false_alarm["onset"], false_alarm["lead"]) == (20, None)
    assert false_alarm["reason"] == "test accuracy reached 0.000, not 0.9"
    unannounced = numbers_of({"add": [0.0, 0.1, 0.2, 0.9, 1.0]}, [4.0] * 5)
    assert (unannounced["accurate_step"], unannounced["lead"]) == (30, None)


def test_the_sign_test_names_the_runs_that_it_leaves_out() -> None:
    """Of which one becomes accurate without a warning."""
    leads = {"a": 100, "b": 50, "c": None, "d": -30, "e": None}
    assert lead_numbers(leads, {"a": 200, "b": 200, "c": 200, "d": 200, "e": None}) == {
        "positive": 2,
        "n": 3,
        "missed": 1,
        "mean": 40,
        "low": -30,
        "high": 100,
        "p_value": pytest.approx(0.5),
        "reason": "no lead: c, e",
    }
    twelve = dict.fromkeys("abcdefghijkl", 7)
    assert lead_numbers(twelve, twelve)["p_value"] == pytest.approx(2**-12)
    assert lead_numbers({"a": None}, {"a": None}) == {
        "positive": 0,
        "n": 0,
        "missed": 0,
        "mean": None,
        "low": None,
        "high": None,
        "p_value": None,
        "reason": "no lead: a",
    }


def test_metrics_have_every_run_and_the_leads_of_each_kind(found: Collection) -> None:
    numbers = metrics(found)
    assert list(numbers["geometry"]) == ["add-1", "add-2", "add-3", "both-1"]
    second = numbers["geometry"]["add-2"]
    assert (second["ops"], second["seed"], second["onset"], second["lead"]) == ("add", 2, 20, 10)
    assert (second["defect_growth"], second["rho"]) == (200, 0.9999)
    assert numbers["geometry"]["both-1"]["ops"] == "add+mul"
    single = {key: value for key, value in numbers["leads"]["single_task"].items() if key != "gap"}
    assert single == {"positive": 3, "n": 3, "missed": 0, "mean": 10, "low": 10, "high": 10, "p_value": 0.125}
    assert numbers["leads"]["multitask"]["n"] == 1


def by(table: pd.DataFrame, *keys: str) -> dict[Any, dict[str, Any]]:
    """The rows of a table, by the values of one or more columns."""
    rows: list[dict[str, Any]] = [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]
    return {tuple(row[key] for key in keys) if len(keys) > 1 else row[keys[0]]: row for row in rows}


def test_tables_stand_beside_the_paper(found: Collection) -> None:
    built = geometry_tables(metrics(found))
    rows = by(built["geometry"], "operation", "quantity")
    share = rows["add", "commutator's share in the execution basis / in a random subspace"]
    assert [share[name] for name in ("paper", "here", "n", "verdict")] == ["1.8–2.9", "2 [2, 2]", 3, "inside"]
    assert rows["add+mul", "PC1 %, smallest of the attention matrices"]["verdict"] == "inside"
    assert rows["add", "ρ, the commutator's share outside the execution basis"]["paper"] == "1"
    leads = by(built["leads"], "runs")
    first = [leads["add-1"][name] for name in ("onset", "accuracy 0.9", "here: lead", "verdict")]
    assert first == ["20", "30", "10", "same direction"]
    assert leads["single task"]["sign test"] == "3 of 3 positive, p = 0.125"
    growth = by(built["defect-growth"], "run")["add-1"]
    assert [growth[name] for name in ("groks", "paper", "here")] == ["yes", "≥ 513", "100"]
    assert growth["verdict"] == "same direction"
    assert not any("|" in str(value) for table in built.values() for value in table.to_numpy().flat)


def test_a_run_that_never_groks_stands_last_and_is_held_to_what_the_paper_says_of_such(tmp_path: Path) -> None:
    made_up.write(tmp_path)
    training = RunFolder(tmp_path / "add-1").read(TRAINING).assign(test_accuracy=0.1)
    made_up.save(training, tmp_path / "add-1", TRAINING)
    built = geometry_tables(metrics(collect(tmp_path, EXPECTED)))
    assert built["defect-growth"]["run"].tolist()[-1] == "add-1"
    growth = by(built["defect-growth"], "run")["add-1"]
    assert [growth[name] for name in ("groks", "paper", "verdict")] == ["no", "0–47", "outside"]
    lead = by(built["leads"], "runs")["add-1"]
    assert [lead[name] for name in ("accuracy 0.9", "here: lead")] == ["–", "–"]
    assert lead["verdict"] == "test accuracy reached 0.100, not 0.9"


def test_without_results_every_table_is_not_run() -> None:
    for table in geometry_tables({}).values():
        assert table["verdict"].tolist() == ["not run"]
        assert table["command"].tolist() == ["dvc repro geometry/dvc.yaml"]


def labels(figure: Figure) -> dict[str, Any]:
    return {str(line.get_label()): line for line in figure.axes[0].lines}


def test_every_figure_is_there_for_either_kind_of_run(found: Collection) -> None:
    kinds = ("pc1", "defect", "share", "alignment")
    expected = [*kinds, *(f"{kind}-multitask" for kind in kinds), "gap-against-defect"]
    assert sorted(geometry_figures(found)) == sorted(expected)
    assert geometry_figures(replace(found, geometry={})) == {}


def test_the_defect_has_its_onset_its_grok_step_and_the_accuracy(found: Collection) -> None:
    figure = geometry_figures(found)["defect"]
    lines, right = labels(figure), figure.axes[-1]
    assert figure.axes[0].get_yscale() == "log"
    assert np.asarray(lines["onset of a seed"].get_xdata()).tolist() == [20, 20]
    assert np.asarray(lines["grok step of a seed"].get_xdata()).tolist() == [30, 30]
    defects = np.asarray(lines["defect, median of the draws"].get_ydata())
    np.testing.assert_allclose(defects, [4, 4, 100, 400, 800])  # mean of three seeds
    assert right.get_ylabel() == "held-out accuracy"
    assert float(np.asarray(right.lines[0].get_ydata())[-1]) == pytest.approx(0.99)
    assert figure.axes[0].get_title("left") == "add (n = 3)"


def test_shares_and_alignment_are_drawn_beside_the_random_ones(found: Collection) -> None:
    share, alignment = (labels(geometry_figures(found)[name]) for name in ("share", "alignment"))
    assert np.asarray(share["execution basis"].get_ydata()) == pytest.approx(2)
    assert np.asarray(share["random subspaces"].get_ydata()) == pytest.approx(1.1)
    assert np.asarray(alignment["random direction, √(2 / πD)"].get_ydata()).tolist() == [0.002, 0.002]
    assert np.asarray(alignment["motion and commutators"].get_xdata()).tolist() == STEPS[1:]


def test_each_matrix_has_a_line_of_its_own(found: Collection) -> None:
    pc1 = labels(geometry_figures(found)["pc1"])
    assert np.asarray(pc1["layer 0 W_Q"].get_ydata()) == pytest.approx(70)
    assert pc1["layer 0 W_Q"].get_color() != pc1["layer 0 W_O"].get_color()


def test_the_text_has_a_line_per_run_and_the_sign_test() -> None:
    first = numbers_of({"add": [0.0, 0.1, 0.2, 0.9, 1.0]}, RISES)
    never = numbers_of({"add": [0.0] * 5}, [4.0] * 5)
    text = as_text({"add-1": first, "quad-1": never})
    assert "add-1" in text.splitlines()[1]
    assert "leads: 1 of 1 positive, mean 10 steps, sign test p = 0.5" in text
    assert "quad-1: no defect above 20" in text
    assert "leads" not in as_text({"quad-1": never})


def test_a_missing_table_names_its_stage(tmp_path: Path) -> None:
    made_up.write(tmp_path)
    (tmp_path / "add-1" / "curvature.csv").unlink()
    folder = RunFolder(tmp_path / "add-1")
    assert not Geometry.is_there(folder)
    with pytest.raises(UserError, match=r"curvature.csv is missing; run `dvc repro geometry/dvc.yaml:curvature@add-1`"):
        Geometry.load(folder)
    command = "dvc repro geometry/dvc.yaml:trajectory@add-1 geometry/dvc.yaml:curvature@add-1"
    assert collect(tmp_path, EXPECTED).missing["geometry of add-1"] == command
