"""Trajectory and curvature of a tiny run against dense SVDs and steps taken in float64."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional as F

from sedlib import leads, trajectory
from sedlib.base.errors import UserError
from sedlib.base.randomness import generator
from sedlib.grokking.network.model import build_model
from sedlib.grokking.setup.experiment import RunParams
from sedlib.grokking.setup.pairs import answers
from sedlib.grokking.setup.params import geometry_problem
from sedlib.grokking.study import Grokking
from sedlib.pipeline.geometry.all_parameters import positions_of
from sedlib.pipeline.geometry.components import measure_trajectory
from sedlib.pipeline.geometry.defects import batch_gradient, measure_curvature
from sedlib.pipeline.parameters.geometry_params import FEWEST, CurvatureParams, GeometryParams, WalkParams, measured
from sedlib.pipeline.parameters.sections import ParamsError
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.selftest.oracles import looped_gradient, stepwise_commutator, trajectory_pca
from sedlib.trajectory import random_walk_null
from sedlib.vectors import ParamLayout
from tests.altered import altered
from tests.grokking.test_training import CPU, experiment, write

SETTINGS = CurvatureParams(every=10, draws=4, batch_size=16, eta=0.01, random_subspaces=2)
MATRICES = [f"layer {layer} W_{kind}" for layer in (0, 1) for kind in "QKVO"]


def written(folder: Path, **changes: dict[str, object]) -> Path:
    """Checkpoints of the tiny run of two operations, every 5 steps to 40, with changes."""
    write(folder / "checkpoints.h5", experiment(**changes))
    return folder / "checkpoints.h5"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("run"))


@pytest.fixture
def checkpoints(path: Path) -> Iterator[RunCheckpoints]:
    with RunCheckpoints.open(path, Grokking(experiment()), CPU) as opened:
        yield opened


def of_matrix(checkpoints: RunCheckpoints, name: str) -> np.ndarray:
    """Positions ``[steps, params]`` of a matrix, from the file's own datasets."""
    layer, kind = name.split()[1:]
    prefix = f"state/encoder.layers.{layer}.self_attn"
    if kind == "W_O":
        found = checkpoints.file[f"{prefix}.out_proj.weight"][:]
    else:
        start = 8 * ["W_Q", "W_K", "W_V"].index(kind)
        found = checkpoints.file[f"{prefix}.in_proj_weight"][:, start : start + 8]
    return found.reshape(len(found), -1)


def test_the_attention_matrices_are_all_there_each_in_its_place(checkpoints: RunCheckpoints) -> None:
    matrices, positions = checkpoints.study.matrices(checkpoints.network), positions_of(checkpoints)
    assert sorted(matrices) == sorted(MATRICES)
    for name, block in matrices.items():
        np.testing.assert_array_equal(positions[slice(None), block], of_matrix(checkpoints, name))


def test_pc1_of_every_window_is_that_of_a_dense_svd(checkpoints: RunCheckpoints) -> None:
    whole, windows = (pd.DataFrame(rows) for rows in measure_trajectory(checkpoints, WalkParams(count=3)))
    assert sorted(whole["matrix"]) == sorted(MATRICES)
    assert len(windows) == 8 * 7
    for row in windows.to_dict("records"):
        count = checkpoints.steps.index(row["step"]) + 1
        _, singular_values = trajectory_pca(of_matrix(checkpoints, row["matrix"])[:count])
        expected = 100 * singular_values[0] ** 2 / (singular_values**2).sum()
        assert row["pc1_percent"] == pytest.approx(expected, rel=1e-5)
    last = windows[windows["step"] == 40].set_index("matrix")["pc1_percent"]
    assert whole.set_index("matrix")["pc1_percent"].to_dict() == last.to_dict()


def test_each_matrix_is_compared_with_walks_of_its_own(checkpoints: RunCheckpoints) -> None:
    walks = WalkParams(count=4, seed=3)
    whole = pd.DataFrame(measure_trajectory(checkpoints, walks)[0]).set_index("matrix")
    for name in MATRICES:
        rows = of_matrix(checkpoints, name).astype(np.float64)
        products = torch.from_numpy((rows - rows[0]) @ (rows - rows[0]).T)
        null = random_walk_null(products, 64, 4, generator(3, f"random walks/{name}"))
        row = whole.loc[name]
        assert row["walk_mean"] == pytest.approx(float(null.mean()), rel=1e-6)
        assert row["walk_std"] == pytest.approx(float(null.std()), rel=1e-5)
        assert row["z"] == pytest.approx((row["pc1_percent"] - row["walk_mean"]) / row["walk_std"])
    assert whole["walk_mean"].nunique() == 8


def test_the_gradient_is_that_of_the_summed_losses_by_all_parameters(checkpoints: RunCheckpoints) -> None:
    model, pairs = checkpoints.load(8), torch.from_numpy(checkpoints.file["split/train"][:])
    layout = ParamLayout.select(model, "*")
    theta = layout.flatten(model.state_dict()).clone()
    targets = answers(["add", "mul"], pairs, 7)
    found = batch_gradient(checkpoints.study.losses, checkpoints.load(0), layout)(theta, pairs, targets)
    model = checkpoints.load(8).requires_grad_(True)

    def loss() -> torch.Tensor:
        logits = model(checkpoints.study.embedded(model, pairs))
        return F.cross_entropy(logits[0], targets[0]) + F.cross_entropy(logits[1], targets[1])

    torch.testing.assert_close(found, looped_gradient(loss, model, list(layout.names)), rtol=1e-4, atol=1e-6)


def commutators_in_float64(checkpoints: RunCheckpoints, index: int) -> tuple[np.ndarray, np.ndarray]:
    """δ and defect of the pairs of a pool of four batches, from the steps themselves, at a checkpoint."""
    training = torch.from_numpy(checkpoints.file["split/train"][:])
    random = generator(0, f"commutator batches/{checkpoints.steps[index]}")
    drawn = [training[torch.randint(len(training), (16,), generator=random)] for _ in range(4)]
    model = checkpoints.load(index)
    layout = ParamLayout.select(model, "*")
    theta = layout.flatten(model.state_dict()).double()
    wide = build_model(experiment()).double()

    def gradient_at(at: torch.Tensor, pairs: torch.Tensor) -> torch.Tensor:
        wide.load_state_dict(layout.unflatten(at))
        targets = answers(["add", "mul"], pairs, 7)
        losses = torch.func.functional_call(wide, {}, (wide.embed(pairs),))
        total = F.cross_entropy(losses[0], targets[0]) + F.cross_entropy(losses[1], targets[1])
        return torch.cat([part.flatten() for part in torch.autograd.grad(total, list(wide.parameters()))])

    deltas, defects = [], []
    for first, second in ((0, 1), (0, 2), (0, 3), (1, 2)):
        delta = stepwise_commutator(gradient_at, theta, [drawn[first]], [drawn[second]], 0.01)
        sizes = [0.01 * gradient_at(theta, drawn[number]).norm() for number in (first, second)]
        deltas.append(delta.numpy())
        defects.append(float(delta.norm() / (sizes[0] * sizes[1])))
    return np.stack(deltas), np.array(defects)


def test_steps_too_short_for_float32_are_measured_in_float64(checkpoints: RunCheckpoints) -> None:
    (first, *_) = measure_curvature(checkpoints, SETTINGS.model_copy(update={"eta": 1e-9}))
    (expected, *_) = measure_curvature(checkpoints, SETTINGS.model_copy(update={"eta": 1e-3}))
    for name in ("defect", "defect_low", "defect_high", "share", "random_share"):
        assert first[name] == pytest.approx(expected[name], rel=0.01)


def test_the_table_is_that_of_steps_in_float64(checkpoints: RunCheckpoints) -> None:
    whole = pd.DataFrame(measure_curvature(checkpoints, SETTINGS))
    table, weights = (
        whole[whole["basis"] == basis].drop(columns="basis").set_index("step") for basis in ("trajectory", "weights")
    )
    assert table.index.tolist() == weights.index.tolist() == [0, 10, 20, 30, 40]
    same = ["defect", "defect_low", "defect_high", "alignment", "expected_alignment"]
    pd.testing.assert_frame_equal(table[same], weights[same])
    size = positions_of(checkpoints).layout.size
    basis = np.zeros((16, size))
    matrices = checkpoints.study.matrices(checkpoints.network)
    for number, (name, block) in enumerate(matrices.items()):
        basis[2 * number : 2 * number + 2, block] = trajectory_pca(of_matrix(checkpoints, name))[0][:2]
    for index in (0, 4, 8):
        deltas, defects = commutators_in_float64(checkpoints, index)
        singular = np.zeros((24, size))
        for number, (name, block) in enumerate(matrices.items()):
            left, _, right = np.linalg.svd(of_matrix(checkpoints, name)[index].reshape(8, 8))
            for i in range(3):
                singular[3 * number + i, block] = np.outer(left[:, i], right[i]).ravel()
        shares = np.linalg.norm(deltas @ singular.T, axis=1) / np.linalg.norm(deltas, axis=1)
        assert weights.loc[checkpoints.steps[index], "share"] == pytest.approx(shares.mean(), rel=5e-3)
        assert weights.loc[checkpoints.steps[index], "expected_share"] == pytest.approx(np.sqrt(24 / size), rel=0.03)
        row = table.loc[checkpoints.steps[index]]
        low, median, high = np.quantile(defects, [0.25, 0.5, 0.75])
        np.testing.assert_allclose(row[["defect_low", "defect", "defect_high"]], [low, median, high], rtol=5e-3)
        shares = np.linalg.norm(deltas @ basis.T, axis=1) / np.linalg.norm(deltas, axis=1)
        assert row["share"] == pytest.approx(shares.mean(), rel=5e-3)
        assert row["rho"] == pytest.approx(np.sqrt(1 - shares**2).mean(), rel=1e-3)
        assert row["expected_share"] == pytest.approx(np.sqrt(16 / size), rel=0.03)
        if index:
            positions = positions_of(checkpoints)
            motion = positions[slice(index, index + 1), slice(None)] - positions[slice(index - 1, index), slice(None)]
            cosines = deltas @ motion[0] / np.linalg.norm(deltas, axis=1) / np.linalg.norm(motion)
            assert row["alignment"] == pytest.approx(np.abs(cosines).mean(), rel=2e-2, abs=1e-4)
    assert table["alignment"].isna().tolist() == [True, False, False, False, False]
    assert table["expected_alignment"].unique() == pytest.approx(np.sqrt(2 / np.pi / size), rel=1e-2)


def test_random_subspaces_have_the_expected_share(checkpoints: RunCheckpoints) -> None:
    many = SETTINGS.model_copy(update={"random_subspaces": 100, "every": 20})
    table = pd.DataFrame(measure_curvature(checkpoints, many))
    np.testing.assert_allclose(table["random_share"], table["expected_share"], rtol=0.05)


def test_a_measurement_does_not_depend_on_which_others_are_made(checkpoints: RunCheckpoints) -> None:
    some, more = (pd.DataFrame(curvature(checkpoints, every=every)).set_index(["step", "basis"]) for every in (20, 5))
    assert len(more) == 2 * 9
    pd.testing.assert_frame_equal(some, more.loc[some.index])


def test_the_seed_changes_batches_and_subspaces(checkpoints: RunCheckpoints) -> None:
    first, other = (
        pd.DataFrame(measure_curvature(checkpoints, SETTINGS.model_copy(update={"seed": seed}))) for seed in (0, 1)
    )
    assert (first["defect"] != other["defect"]).all()
    assert (first["random_share"] != other["random_share"]).all()


def test_measured_checkpoints_are_at_least_so_far_apart() -> None:
    assert measured([0, 25, 50, 75, 100, 125], 50) == [0, 2, 4]
    assert measured([0, 25, 50, 75, 100, 125], 60) == [0, 3]
    assert measured([0, 200, 400], 150) == [0, 1, 2]


def test_what_is_refused_early_is_what_would_fail_late() -> None:
    assert FEWEST == leads.BASELINE == trajectory.FEWEST_STEPS


@pytest.mark.parametrize(
    ("run", "curvature", "message"),
    [
        ({"max_steps": 25}, {}, r"run add-1 has at most 2 checkpoints \(max_steps 25 / checkpoint_every 25\)"),
        ({"max_steps": 200}, {}, r"every = 200 leaves run add-1 at most 2 measurements.* choose every ≤ 100"),
        ({"max_steps": 80}, {"every": 25, "components": 4}, "components = 4 exceeds the 3 .* choose ≤ 3"),
        ({"max_steps": 75}, {"every": 25, "components": 3}, None),
        ({"max_steps": 8000}, {}, None),
    ],
)
def test_a_run_that_can_never_be_measured_is_refused_before_it_is_trained(
    run: dict[str, int], curvature: dict[str, int], message: str | None
) -> None:
    settings = GeometryParams(curvature=CurvatureParams.model_validate(curvature))
    problem = geometry_problem(settings, "add-1", RunParams.model_validate({"ops": ["add"], "seed": 1, **run}))
    assert (problem is None) if message is None else (problem is not None and re.search(message, problem))


def test_too_few_checkpoints_are_named(tmp_path: Path) -> None:
    short = written(tmp_path, run={"max_steps": 5})
    with RunCheckpoints.open(short, Grokking(experiment(run={"max_steps": 5})), CPU) as checkpoints:
        for measure in (lambda: measure_trajectory(checkpoints, WalkParams()), lambda: list(curvature(checkpoints))):
            with pytest.raises(ParamsError, match=r"checkpoints\.h5: a trajectory needs at least 3 checkpoints, got 2"):
                measure()


def curvature(checkpoints: RunCheckpoints, **changes: object) -> list[dict[str, object]]:
    return list(measure_curvature(checkpoints, SETTINGS.model_copy(update=changes)))


def test_too_few_measurements_are_refused_before_any(checkpoints: RunCheckpoints) -> None:
    with pytest.raises(ParamsError, match=r"every = 30 leaves 2 of the 9 checkpoints to step 40; choose a smaller one"):
        curvature(checkpoints, every=30)


def test_components_beyond_the_trajectory_are_refused(checkpoints: RunCheckpoints) -> None:
    with pytest.raises(ParamsError, match=r"block 'layer 0 W_Q': .*geometry.curvature.components = 9"):
        curvature(checkpoints, components=9)


def test_a_step_too_far_is_named_with_its_size(checkpoints: RunCheckpoints) -> None:
    with pytest.raises(ParamsError, match=r"step 0: pair .*after one step: .*eta = 1e\+38"):
        curvature(checkpoints, eta=1e38)


def test_weights_of_low_rank_leave_their_share_empty_and_the_rest_as_it_is(path: Path, tmp_path: Path) -> None:
    low = tmp_path / "low.h5"
    shutil.copy(path, low)
    with altered(low) as file:
        file["state/encoder.layers.1.self_attn.out_proj.weight"][0] = 0.0  # as an adapter's is, before training
    with RunCheckpoints.open(low, Grokking(experiment()), CPU) as checkpoints:
        table = pd.DataFrame(curvature(checkpoints)).set_index(["step", "basis"])
    shares = ["rho", "share", "random_share", "expected_share"]
    assert table.loc[(0, "weights"), shares].isna().all()
    assert not table[shares].drop((0, "weights")).isna().any(axis=None)


def test_a_matrix_that_does_not_move_is_named(path: Path, tmp_path: Path) -> None:
    still = tmp_path / "still.h5"
    shutil.copy(path, still)
    with altered(still) as file:
        weights = file["state/encoder.layers.1.self_attn.out_proj.weight"]
        weights[:] = weights[0]
    with RunCheckpoints.open(still, Grokking(experiment()), CPU) as checkpoints:
        with pytest.raises(UserError, match=r"layer 1 W_O: a block that does not move"):
            measure_trajectory(checkpoints, WalkParams())
        with pytest.raises(UserError, match=r"block 'layer 1 W_O': .*determine 0 of rank"):
            curvature(checkpoints)
