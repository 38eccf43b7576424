"""A run of one's own, from files to table and figure, against float64 loops."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from sedlib.base.errors import UserError
from sedlib.base.randomness import generator
from sedlib.own.coupling_plot import plot_coupling
from sedlib.own.measure_run import measure
from sedlib.own.room_needed import Room, require_room
from sedlib.own.row_folder import RowFolder
from sedlib.own.step_file import RowFolderError
from sedlib.sampling import random_directions
from sedlib.saved.saved_checkpoints import Checkpoints
from sedlib.selftest.oracles import looped_gradient
from sedlib.vectors import ParamLayout
from tests.own.small_run import BATCH, LOSSES, PROBES, STEPS, TARGETS, TASKS, H, Network, measured, train
from tests.reference import digest

pytestmark = pytest.mark.usefixtures("production")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    train(folder)
    return folder


@pytest.fixture(scope="module")
def table(run: Path) -> pd.DataFrame:
    return measured(run)


def restated(run: Path, step: int, task: str, stream: str, window: int) -> float:
    """R̄ from the definitions: SVD of the rows, responses of float64 copies by differences, one probe at a time."""
    layout = ParamLayout.select(Network(), "first.weight", "second.weight")
    copies = {}
    for at in STEPS:
        copies[at] = Network().double().eval()
        copies[at].load_state_dict(torch.load(run / f"step-{at}.pt", weights_only=True)["model"])
    batch = (H.double(), BATCH[1])

    def theta(at: int) -> Tensor:
        return layout.flatten(dict(copies[at].named_parameters())).detach()

    def row(at: int) -> Tensor:
        if stream == "update":
            return theta(at) - theta(STEPS[STEPS.index(at) - 1])
        names = TASKS if stream.endswith("total") else (stream.split("/")[1],)
        module = copies[at]
        return looped_gradient(lambda: sum(LOSSES[name](module, batch) for name in names), module, list(layout.names))  # type: ignore[arg-type,return-value]

    last = STEPS.index(step)
    rows = torch.stack([row(at) for at in STEPS[last - window + 1 : last + 1]]).numpy()
    basis = torch.from_numpy(np.linalg.svd(rows, full_matrices=False)[2][: min(2, window)])

    def centroids(direction: Tensor, scale: float) -> Tensor:
        module = deepcopy(copies[step])
        with torch.no_grad():
            for name, piece in layout.unflatten(scale * direction).items():
                dict(module.named_parameters())[name].add_(piece)
        found = []
        for number in range(9):
            h = H[number : number + 1].double().requires_grad_()
            score = module(h)[TASKS.index(task), 0, TARGETS[TASKS.index(task), number]]
            found.append(torch.autograd.grad(score, h)[0].flatten())
        return torch.stack(found)

    def response(direction: Tensor) -> float:
        change = (centroids(direction, 1e-6) - centroids(direction, -1e-6)) / 2e-6
        return float(change.square().sum(1).mean())

    drawn = random_directions(5, layout.size, generator(0, "random"))
    median = float(np.median([response(direction.double()) for direction in drawn]))
    return float(np.mean([response(direction) for direction in basis])) / median


CASES = [
    *((step, task, f"gradient/{task}", window) for step in (20, 30) for task in TASKS for window in (1, 3)),
    *((30, task, stream, window) for task in TASKS for stream in ("gradient/total", "update") for window in (1, 3)),
    (0, "sign", "gradient/sign", 1),
]


@pytest.mark.parametrize(("step", "task", "stream", "window"), CASES)
def test_the_ratios_are_those_of_the_definitions(
    step: int, task: str, stream: str, window: int, run: Path, table: pd.DataFrame
) -> None:
    chosen = table[(table.step == step) & (table.task == task) & (table.stream == stream) & (table.window == window)]
    assert chosen["ratio"].item() == pytest.approx(restated(run, step, task, stream, window), rel=2e-3)


def test_a_window_has_a_row_where_it_is_whole(table: pd.DataFrame) -> None:
    counts = table.groupby(["stream", "window"])["step"].nunique().to_dict()
    assert (counts["gradient/sign", 1], counts["gradient/sign", 3]) == (4, 2)
    assert (counts["update", 1], counts["update", 3]) == (3, 1)
    assert set(table["task"]) == set(TASKS)
    assert not table["stream"].str.startswith("permuted").any()


def test_nulls_have_a_value_where_they_are_meant_to(table: pd.DataFrame) -> None:
    own = table["stream"] == "gradient/" + table["task"]
    assert table.loc[own, ["permuted_mean", "permuted_z"]].notna().all(axis=None)
    assert table.loc[~own, "permuted_z"].isna().all()
    assert table[["matched_mean", "matched_z", "random_low", "random_high"]].notna().all(axis=None)
    assert (table["random_low"] <= 1).all()
    assert (table["random_high"] >= 1).all()


def test_it_leaves_the_module_and_gives_the_same_table_again(run: Path, table: pd.DataFrame, tmp_path: Path) -> None:
    module = Network()
    before = digest(module)
    layout = ParamLayout.select(module, "first.weight", "second.weight")
    options: dict[str, Any] = {"windows": (1, 3), "rank": 2, "random": 5, "matched": 4, "permutations": 2}

    def states() -> Any:
        return ((saved.step, saved.state(module)) for saved in Checkpoints(run))

    again = measure(states, module, LOSSES, [BATCH], PROBES, slots=layout, response="jvp", rows=tmp_path, **options)
    pd.testing.assert_frame_equal(again, table)
    assert digest(module) == before
    written = {file.name: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
    resumed = measure(states, module, LOSSES, [BATCH], PROBES, slots=layout, response="jvp", rows=tmp_path, **options)
    pd.testing.assert_frame_equal(resumed, table)
    assert {file.name: file.stat().st_mtime_ns for file in tmp_path.iterdir()} == written


def test_batches_and_chunks_give_the_same_ratios(run: Path, table: pd.DataFrame) -> None:
    def summed(loss: Callable[..., Tensor]) -> Callable[..., Any]:
        return lambda module, batch: (len(batch[0]) * loss(module, batch), len(batch[0]))

    layout = ParamLayout.select(Network(), "first.weight", "second.weight")
    losses = {task: summed(loss) for task, loss in LOSSES.items()}
    batches = [(BATCH[0][:13], BATCH[1][:13]), (BATCH[0][13:], BATCH[1][13:])]
    options: dict[str, Any] = {"windows": (1, 3), "rank": 2, "random": 5, "matched": 0, "permutations": 0}
    found = measure(
        Checkpoints(run), Network(), losses, batches, PROBES, slots=layout, response="jvp", chunk=4, **options
    )
    np.testing.assert_allclose(found["ratio"], table["ratio"], rtol=1e-3)


def test_a_window_of_equal_rows_has_a_reason_and_the_rest_a_ratio(tmp_path: Path) -> None:
    for step in STEPS[:3]:
        torch.save(Network().state_dict(), tmp_path / f"step-{step}.pt")  # a run that stands still
    layout = ParamLayout.select(Network(), "first.weight", "second.weight")
    found = measure(Checkpoints(tmp_path), Network(), LOSSES, [BATCH], PROBES, slots=layout, windows=(1, 2), rank=2)
    still, one = found["stream"] == "update", found["window"] == 1
    assert found.loc[still, "ratio"].isna().all()
    assert found.loc[still, "reason"].str.contains("rows 0 to .* determine 0 of rank|repeated or zero rows").all()
    assert found.loc[~still & one, "ratio"].notna().all()
    assert found.loc[~still & ~one, "reason"].str.contains("determine 1 of rank = 2").all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"permutations": 1}, "nulls of 0 or at least 2 draws"),
        ({"random": 0}, "a random direction"),
        ({"dtype": "float8"}, "dtype: expected one of float32"),
    ],
)
def test_settings_that_mean_nothing_are_refused(options: dict[str, Any], message: str, run: Path) -> None:
    with pytest.raises(UserError, match=message):
        measured(run, **options)


def test_a_task_whose_targets_are_not_permuted_is_refused(run: Path) -> None:
    losses = {"sign": LOSSES["sign"], "half": lambda module, batch: module(batch[0])[1].square().mean()}
    layout = ParamLayout.select(Network(), "first.weight")
    with pytest.raises(UserError, match=r"step 0: the gradient of task 'half' does not change when the targets"):
        measure(Checkpoints(run), Network(), losses, [BATCH], PROBES, slots=layout, windows=[1])


LAYOUT = ParamLayout(("a",), ((6,),))


def test_rows_are_kept_to_the_bit_and_damage_is_found(tmp_path: Path) -> None:
    folder, row = RowFolder(tmp_path, LAYOUT), torch.randn(6)
    folder.append(5, {"update": row})
    (file,) = tmp_path.glob("step-*")
    assert np.array_equal(RowFolder(tmp_path, LAYOUT).stream("update")[0:1, 0:6][0], row.numpy())
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(RowFolderError, match=r"step-000000005.*not those that were written"):
        folder.stream("update")
    with pytest.raises(RowFolderError, match="rows in it are of other slots"):
        RowFolder(tmp_path, ParamLayout(("b",), ((6,),)))
    with pytest.raises(RowFolderError, match="rows in it are of other dtype"):
        RowFolder(tmp_path, LAYOUT, "float16")


@pytest.mark.parametrize(
    ("row", "message"), [(torch.ones(5), "expected a row of 6"), (torch.full((6,), torch.nan), "not finite in float16")]
)
def test_a_row_that_cannot_be_kept_is_refused(row: Tensor, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        RowFolder(tmp_path, LAYOUT, "float16").append(1, {"update": row})
    with pytest.raises(UserError, match="not finite in float32, though finite in float64"):
        RowFolder(tmp_path / "32", LAYOUT).append(1, {"update": torch.full((6,), 1e39, dtype=torch.float64)})


def test_what_does_not_fit_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"GB of memory are free: choose fewer slots"):
        require_room(Room(memory=10**15, disk=0), tmp_path)
    with pytest.raises(UserError, match=r"GB of disk are free at .* dtype = 'bfloat16'"):
        require_room(Room(memory=0, disk=10**18), tmp_path)


def test_the_figure_has_a_panel_for_each_task_and_a_line_for_each_stream(table: pd.DataFrame) -> None:
    figure = plot_coupling(table)
    assert [panel.get_title() for panel in figure.axes] == sorted(TASKS)
    labels = {line.get_label() for line in figure.axes[0].get_lines()}
    assert {"gradient, W = 1", "gradient, W = 3", "sum of gradients, W = 3", "update, W = 1"} <= labels
    with pytest.raises(ValueError, match="no row of 'other'"):
        plot_coupling(table, ["other"])
    with pytest.raises(ValueError, match="tasks: expected one or more, got none"):
        plot_coupling(table, [])
    with pytest.raises(ValueError, match="'ratio' is missing"):
        plot_coupling(table.drop(columns="ratio"))


def test_each_stream_of_the_figure_has_its_own_name_and_colour(table: pd.DataFrame) -> None:
    rungs = ["momentum", "adam-direction", "step-without-decay", "step"]
    updates = table[table["stream"] == "update"]
    figure = plot_coupling(pd.concat([table, *(updates.assign(stream=f"ladder/{rung}") for rung in rungs)]))
    lines = [line for line in figure.axes[0].get_lines() if str(line.get_label()).endswith("W = 1")]
    assert len({line.get_label() for line in lines}) == len({line.get_color() for line in lines}) == len(lines) == 8
    figure.draw_without_rendering()
    legend = figure.axes[-1].get_legend().get_window_extent()
    assert legend.y0 >= 0
    assert legend.y1 <= figure.bbox.height
