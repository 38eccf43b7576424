"""Cells of the sweeps: random kicks on a tiny run, and what their tables and figures say of numbers made up."""

import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure

from sedlib.base.errors import UserError
from sedlib.cli import intervention_tables
from sedlib.grokking.interventions.cells import Cell
from sedlib.grokking.interventions.execution import execution_basis_of
from sedlib.grokking.interventions.intervened import trajectory
from sedlib.grokking.interventions.random_kicks import RANDOM_KICK, RandomKicks, kicking
from sedlib.grokking.network.evaluation import Data
from sedlib.grokking.network.model import build_model
from sedlib.grokking.study import Grokking
from sedlib.pipeline.workspace import INTERVENTION_TABLES
from sedlib.report.sweeps.accelerations import Setting, acceleration_figure, accelerations
from sedlib.report.sweeps.outcomes import outcomes
from sedlib.report.sweeps.share_curve import COORDINATES, DIRECTIONS, share_curve, share_figure
from sedlib.vectors import ParamLayout
from tests.grokking.test_training import CPU, experiment, write
from tests.imports import ROOT
from tests.report.made_up import cell, save_cell


@pytest.fixture(scope="module")
def execution(tmp_path_factory: pytest.TempPathFactory) -> torch.Tensor:
    path: Path = tmp_path_factory.mktemp("run") / "checkpoints.h5"
    write(path, experiment())
    return execution_basis_of(Grokking(experiment()), path, 2, CPU)


def test_a_random_kick_has_its_length_and_lies_across_the_execution_basis(execution: torch.Tensor) -> None:
    run = experiment()
    data, model = Data.of(run, CPU), build_model(run)
    kicked = Cell(run="add-1", condition=RANDOM_KICK, projection=None, size=50.0, start=0)
    draws = torch.Generator().manual_seed(3)
    kicks = RandomKicks(kicked, Grokking(run), 0.01, data, model, draws, execution)
    layout = ParamLayout.select(model, "*")
    theta = layout.flatten(model.state_dict()).clone()
    kick = kicks._kick(theta)
    torch.testing.assert_close(execution @ kick, torch.zeros(len(execution)), atol=1e-5, rtol=0)
    norms = [kicks._gradient_at(theta, *kicks_batch).norm() for kicks_batch in _same_batches(run, data)]
    assert float(kick.norm()) == pytest.approx(50 * 0.01 * float(torch.stack(norms).mean()), rel=1e-4)
    assert not torch.equal(kicks._kick(theta), kick)


def _same_batches(run: object, data: Data) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """The first two batches of that generator."""
    draws, size = torch.Generator().manual_seed(3), experiment().optimizer.batch_size
    chosen = [torch.randint(len(data.train_pairs), (size,), generator=draws) for _ in range(2)]
    return [(data.train_pairs[drawn], data.train_answers[:, drawn]) for drawn in chosen]


def test_a_kicked_run_has_the_name_and_the_rows_of_a_cell(execution: torch.Tensor) -> None:
    kicked = Cell(run="add-1", condition=RANDOM_KICK, projection=None, size=50.0, start=5)
    assert kicked.name == "add-1-kick-random-from5-size50"
    rows = pd.DataFrame(trajectory(kicked, experiment(), CPU, kicking(kicked, experiment(), 0.01, execution)))
    assert rows["condition"].unique().tolist() == ["kick-random"]
    assert rows["step"].max() == 40


def cells_of(**grokked: int | None) -> list[pd.DataFrame]:
    """The control and a condition, of two seeds, with the grok step of both seeds."""
    return [
        cell(run, name.replace("_", "-"), None if name == "control" else "update", step)
        for name, step in grokked.items()
        for run in ("add-1", "add-2")
    ]


@pytest.mark.parametrize(
    ("options", "refusal"),
    [
        ({"size": "-1"}, "size = -1.0 must be greater than 0"),
        ({"size": "nan"}, "size = nan must be a finite number"),
        ({"size": "inf"}, "size = inf must be a finite number"),
        ({"start": "-5"}, "start = -5 must be greater than or equal to 0"),
    ],
)
def test_what_no_kick_can_have_is_refused_in_one_line(
    options: dict[str, str], refusal: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sedlib.pipeline.code.current.require_current_code", lambda file: None)
    given = {"run": "add-42", "size": "50", "start": "500", "folder": "kicked", **options}
    monkeypatch.setattr("sys.argv", ["kick_randomly.py", *(f"--{name}={value}" for name, value in given.items())])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "stages/kick_randomly.py"), run_name="__main__")
    printed = capsys.readouterr().err if isinstance(ended.value.code, int) else str(ended.value.code)
    assert f"error: command line: {refusal}" in printed
    assert "Traceback" not in printed


def test_kicks_stand_beside_the_control_without_a_rank() -> None:
    control, kicked = cells_of(control=40)[:1], cell("add-1", "kick-random", None, 20)
    table = outcomes([*control, kicked.assign(size=50.0)], 0.98, {"rank": 3, "target": "attention", "start": 4})
    row = table.set_index("condition").loc["kick-random"]
    assert row["speedup"] == 2
    assert pd.isna(row["rank"])


RANK_10 = "add-1-update-keep-sed-rank10"


def settings_of(tables: dict[str, list[pd.DataFrame]]) -> list[Setting]:
    return [Setting(name, ["add-1", "add-2"], of_setting) for name, of_setting in tables.items()]


@pytest.mark.parametrize(
    ("settings", "beside", "refused"),
    [
        ({"usual": cells_of(control=40, freeze=20)[:3]}, "usual", "missing is add-2"),
        ({"usual": cells_of(control=40, freeze=20)[1:]}, "usual", "control must .* missing is add-1"),
        ({"usual": []}, "usual", "no cell was run"),
        ({"usual": cells_of(control=40)}, "unusual", "must name one of the settings"),
        ({"usual": cells_of(freeze=40)}, "usual", "must name one of the settings"),
        (
            {"usual": [*cells_of(control=40), *(table.assign(weight_decay=0.0) for table in cells_of(control=40))]},
            "usual",
            "no place for cells with weight_decay 0",
        ),
    ],
)
def test_a_setting_without_all_its_cells_is_refused(
    settings: dict[str, list[pd.DataFrame]], beside: str, refused: str
) -> None:
    with pytest.raises(UserError, match=refused):
        accelerations(settings_of(settings), beside, 0.98)


@pytest.mark.parametrize(
    ("more", "refused"),
    [
        (
            [cell(run, "freeze", "gradient", 10) for run in ("add-1", "add-2")],
            "cells of projection gradient and update",
        ),
        (cells_of(freeze=10), "found two with condition freeze, seed 1"),
        ([cell("add-1", "freeze", "update", 10).assign(op="mul")], "cells of op add and mul at once"),
    ],
)
def test_cells_that_would_stand_in_one_place_are_refused(more: list[pd.DataFrame], refused: str) -> None:
    with pytest.raises(UserError, match=refused):
        accelerations(settings_of({"usual": [*cells_of(control=40, freeze=20), *more]}), "usual", 0.98)


def test_settings_without_a_control_have_the_same_conditions_and_are_there() -> None:
    settings = {
        "usual": cells_of(control=40, freeze=20),
        "mlp": cells_of(freeze=10, keep_random=10),
        "without": cells_of(freeze=10),
    }
    with pytest.raises(UserError, match=r"setting without must have .* missing are keep-random"):
        accelerations(settings_of(settings), "usual", 0.98, ["mlp", "without"])
    for named in ("mpl", "usual"):
        with pytest.raises(UserError, match=f"must name settings that have none, got '{named}'"):
            accelerations(settings_of(settings), "usual", 0.98, ["mlp", "without", named])


USUAL = {"rank": 3, "target": "attention", "start": 4}


def test_outcomes_tell_doses_and_decays_apart_and_count_each_seed_once() -> None:
    control = cells_of(control=40)
    without = [table.assign(weight_decay=0.0) for table in cells_of(control=None)]
    doses = [
        cell(run, "keep-random", "update", step, coordinates=count)
        for run in ("add-1", "add-2")
        for count, step in ((131, 10), (262, 20))
    ]
    table = outcomes([*control, *without, *doses], 0.98, USUAL)
    kept = table[table["condition"] == "keep-random"].set_index("coordinates")
    assert kept["speedup"].to_dict() == {131: 4, 262: 2}
    assert set(kept["n"]) == {2}
    controls = table[table["condition"] == "control"]
    assert controls["mean"].dropna().tolist() == [40]
    assert controls["weight_decay"].dropna().tolist() == [0]
    assert not {"coordinates", "weight_decay"} & set(outcomes(control, 0.98, USUAL))
    with pytest.raises(UserError, match="found two with op add, condition control, seed 1"):
        outcomes([*control, *control], 0.98, USUAL)


@pytest.mark.parametrize(
    ("more", "refused"),
    [
        (cells_of(freeze=10), "got freeze of add-1 among them"),
        ([table.assign(target="all") for table in cells_of(keep_sed_raw=10)], "got keep-sed-raw of add-1 among them"),
        ([cell("add-1", "kick-random", None, 20)], "got kick-random of add-1"),
        (cells_of(keep_sed_raw=10), "found two with projection update, kind SED directions"),
        (cells_of(control=20), "found two with op add, condition control, seed 1"),
        ([cell("add-1", "control", None, 20).assign(op="mul")], "cells of one operation, got add, mul"),
    ],
)
def test_a_curve_has_coordinates_and_sed_directions_alone(more: list[pd.DataFrame], refused: str) -> None:
    with pytest.raises(UserError, match=refused):
        share_curve([*cells_of(control=40, keep_sed_raw=20), *more], 0.98, 3)
    with pytest.raises(UserError, match="beside the controls, got none"):
        share_curve(cells_of(control=40), 0.98, 3)


def test_two_settings_of_one_name_are_refused() -> None:
    twice = [*settings_of({"usual": cells_of(control=40)}), *settings_of({"usual": cells_of(control=20)})]
    with pytest.raises(UserError, match="twice came usual"):
        accelerations(twice, "usual", 0.98)


def test_a_setting_without_a_control_is_compared_with_anothers() -> None:
    settings = {
        "usual": cells_of(control=40, freeze=20),
        "slow": cells_of(control=40, freeze=40),
        "mlp": cells_of(freeze=10),
    }
    with pytest.raises(UserError, match="setting mlp must have the conditions of the others; missing are control"):
        accelerations(settings_of(settings), "usual", 0.98)
    table = accelerations(settings_of(settings), "usual", 0.98, ["mlp"])
    frozen = table[table["condition"] == "freeze"].set_index("setting")
    assert frozen["speedup"].to_dict() == {"usual": 2, "slow": 1, "mlp": 4}
    assert frozen.loc["mlp", "seed 1"] == "10"
    assert frozen.loc["mlp", "train_accuracy"] == pytest.approx(cells_of(freeze=10)[0]["train_accuracy"].iloc[-1])
    assert acceleration_figure(table).axes


def marks(figure: Figure, marker: str) -> list[tuple[float, float]]:
    drawn = [line for line in figure.axes[0].lines if line.get_marker() == marker]
    return [point for line in drawn for point in zip(*np.asarray(line.get_data(), float), strict=True)]


def test_a_figure_says_where_control_or_cell_did_not_grok() -> None:
    some = [cell("add-1", "freeze", "update", 10), cell("add-2", "freeze", "update", None)]
    settings = {
        "one seed": [*cells_of(control=40), *some],
        "none": cells_of(control=40, freeze=None),
        "not the control": cells_of(control=None, freeze=10),
    }
    figure = acceleration_figure(accelerations(settings_of(settings), "one seed", 0.98))
    assert [text.get_text() for text in figure.axes[0].texts] == ["1"]
    assert [height for _, height in marks(figure, "x")] == [1, 1]


def test_a_share_at_which_no_seed_groks_is_a_cross_and_ends_the_line() -> None:
    tables = [
        *cells_of(control=40, keep_sed_raw=20),
        *(cell("add-1", "keep-random", "update", step, coordinates=n) for n, step in ((131, 10), (262, None))),
        *(cell("add-2", "keep-random", "update", step, coordinates=n) for n, step in ((131, None), (262, None))),
    ]
    passed = [table.assign(passed=0.1 + table["coordinates"].fillna(0) / 1000) for table in tables]
    figure = share_figure(share_curve(passed, 0.98, 3))
    assert marks(figure, "x") == [pytest.approx((0.362, 1))]
    assert [text.get_text() for text in figure.axes[0].texts] == ["−1"]


def test_projections_on_curvature_have_a_rank_and_the_share_that_passes() -> None:
    tables = [*cells_of(control=40), cell("add-1", "keep-hessian", "update", 20).assign(passed=0.25)]
    rows = outcomes(tables, 0.98, {"rank": 3, "target": "attention", "start": 4}).set_index("condition")
    assert rows.loc[["keep-hessian"], ["rank", "passed"]].to_numpy().tolist() == [[3, 0.25]]
    frozen = outcomes([*tables, *cells_of(freeze=10)], 0.98, {"rank": 3, "target": "attention", "start": 4})
    assert frozen.loc[frozen["condition"] == "freeze", "rank"].isna().all()


def test_speedups_are_set_against_the_share_that_passes() -> None:
    tables = [
        *cells_of(control=40, keep_sed_raw=20),
        *(cell(run, "keep-random", "update", 10, coordinates=131) for run in ("add-1", "add-2")),
    ]
    curve = share_curve([table.assign(passed=0.5) for table in tables], 0.98, 3).set_index("kind")
    rows = curve[["size", "passed", "speedup", "n"]].T.to_dict("list")
    assert rows == {COORDINATES: [131, 0.5, 4, 2], DIRECTIONS: [3, 0.5, 2, 2]}
    assert share_figure(curve.reset_index()).axes


def test_the_command_leaves_cells_with_options_out_and_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text((ROOT / "params.yaml").read_text())
    for table in cells_of(control=40, keep_sed=20):
        save_cell(table, INTERVENTION_TABLES)
    plain = intervention_tables()
    assert "left out" not in plain
    save_cell(cell("add-1", "keep-sed", "update", 10, rank=10), INTERVENTION_TABLES)
    assert intervention_tables() == f"{plain}\n\nleft out, as these tables do not show their options: {RANK_10}"
