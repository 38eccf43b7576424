"""The ladder's rows against what training itself does at the same steps."""

from pathlib import Path

import numpy as np
import pytest
import torch

from sedlib.base.hdf5.store import ArtifactError
from sedlib.grokking.network.model import GrokkingTransformer
from sedlib.grokking.setup.experiment import Experiment
from sedlib.grokking.study import Grokking
from sedlib.grokking.training.stepping import Intervention
from sedlib.pipeline.parameters.row_params import GradientBatchParams, RowParams
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.pipeline.rows.dumping import write_streams
from sedlib.pipeline.rows.streams import open_gradients, read_streams
from sedlib.vectors import ParamLayout
from tests.altered import altered
from tests.grokking.test_training import CPU, experiment, write

N_STEPS = 12


class Recorder(Intervention):
    """Keeps the clipped gradient, and the attention slots before and after, of every step."""

    def __init__(self, model: GrokkingTransformer) -> None:
        self.model, self.layout = model, ParamLayout.attention(model)
        self.gradients: list[torch.Tensor] = []
        self.thetas = [self.theta()]

    def theta(self) -> torch.Tensor:
        return self.layout.flatten(self.model.state_dict())

    def before_optimizer(self) -> None:
        slots = self.layout.of(self.model)
        self.gradients.append(
            self.layout.flatten({name: slot.grad for name, slot in slots.items() if slot.grad is not None})
        )

    def after_optimizer(self) -> None:
        self.thetas.append(self.theta())


Dumped = tuple[Recorder, dict[str, np.ndarray]]


def every_steps(every: int) -> Experiment:
    """The tiny run with a checkpoint every so many steps."""
    return experiment(run={"checkpoint_every": every, "max_steps": N_STEPS})


def dumped(folder: Path, every: int) -> Dumped:
    """What training did, and the streams that were dumped from its checkpoints."""
    tiny = every_steps(every)
    recorders: list[Recorder] = []

    def record(model: GrokkingTransformer) -> Recorder:
        recorders.append(Recorder(model))
        return recorders[0]

    write(folder / "checkpoints.h5", tiny, record)
    study = Grokking(tiny)
    with RunCheckpoints.open(folder / "checkpoints.h5", study, CPU) as checkpoints:
        write_streams(folder / "gradients.h5", checkpoints, RowParams(gradient_batch=GradientBatchParams(size=20)))
    with open_gradients(folder / "gradients.h5", study) as file:
        return recorders[0], {stream.name: stream.rows[:, :] for stream in read_streams(file, study)}


@pytest.fixture(scope="module")
def every_step(tmp_path_factory: pytest.TempPathFactory) -> Dumped:
    return dumped(tmp_path_factory.mktemp("every"), 1)


@pytest.fixture(scope="module")
def every_fourth(tmp_path_factory: pytest.TempPathFactory) -> Dumped:
    return dumped(tmp_path_factory.mktemp("fourth"), 4)


def test_the_minibatch_gradient_is_what_adamw_receives_at_the_next_step(every_fourth: Dumped) -> None:
    training, streams = every_fourth
    found = streams["ladder/minibatch-gradient"]
    assert len(found) == 4
    for row, step in zip(found[:3], (0, 4, 8), strict=True):
        np.testing.assert_allclose(row, training.gradients[step], rtol=1e-4, atol=1e-8)


def test_momentum_is_the_moving_average_of_the_gradients_received(every_fourth: Dumped) -> None:
    training, streams = every_fourth
    expected = sum(0.1 * 0.9 ** (7 - i) * training.gradients[i].double() for i in range(8))
    np.testing.assert_allclose(streams["ladder/momentum"][1], expected, rtol=1e-4, atol=1e-8)


def test_a_step_is_what_training_did_and_its_adam_part_the_rest(every_step: Dumped) -> None:
    training, streams = every_step
    for index in range(N_STEPS):
        before, after = training.thetas[index].double(), training.thetas[index + 1].double()
        np.testing.assert_allclose(streams["ladder/step"][index], after - before, atol=1e-7)
        # lr 0.01, weight decay 1: the decay took a hundredth
        without = streams["ladder/step-without-decay"][index]
        np.testing.assert_allclose(without, after - 0.99 * before, atol=1e-7)
        np.testing.assert_allclose(without, -0.01 * streams["ladder/adam-direction"][index], rtol=1e-6)
        np.testing.assert_array_equal(streams["ladder/update-without-decay"][index].shape, before.shape)
        np.testing.assert_allclose(streams["ladder/update-without-decay"][index], after - 0.99 * before, atol=1e-7)


def test_the_update_without_decay_is_the_decayed_sum_of_the_adam_parts(
    every_step: Dumped, every_fourth: Dumped
) -> None:
    adam_parts = every_step[1]["ladder/step-without-decay"]
    found = every_fourth[1]["ladder/update-without-decay"]
    for row in range(3):
        expected = sum(0.99 ** (3 - i) * adam_parts[4 * row + i].astype(float) for i in range(4))
        np.testing.assert_allclose(found[row], expected, atol=1e-6)
        assert np.abs(found[row] - every_fourth[1]["update"][row]).max() > 1e-3


def test_rows_belong_to_the_checkpoint_that_a_step_leads_to(tmp_path: Path) -> None:
    dumped(tmp_path, 4)
    study = Grokking(every_steps(4))
    with open_gradients(tmp_path / "gradients.h5", study) as file:
        first = {stream.name: stream.first_checkpoint for stream in read_streams(file, study)}
    at_once = {"gradient/add", "gradient/mul", "gradient/total", "ladder/minibatch-gradient"}
    assert {name for name, checkpoint in first.items() if checkpoint == 0} == at_once
    assert {name for name, checkpoint in first.items() if checkpoint == 1} == {
        "update",
        "ladder/momentum",
        "ladder/adam-direction",
        "ladder/step-without-decay",
        "ladder/step",
        "ladder/update-without-decay",
    }


def test_a_missing_rung_is_refused(tmp_path: Path) -> None:
    dumped(tmp_path, 4)
    with altered(tmp_path / "gradients.h5") as file:
        del file["ladder/step"]
    with (
        pytest.raises(ArtifactError, match="no dataset 'ladder/step'"),
        open_gradients(tmp_path / "gradients.h5", Grokking(every_steps(4))),
    ):
        pass
