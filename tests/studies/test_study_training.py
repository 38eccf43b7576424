"""Training of a study's run: known steps, the same bits again, also after a stop, and finished checkpoints."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import pytest
import torch
from torch import nn

from sedlib.base.errors import UserError
from sedlib.pipeline.resume.kept_states import copied, read_content, states_in, write_states
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.pipeline.workspace import Workspace
from sedlib.studies.definition.own_study import OwnStudy
from sedlib.studies.definition.run_settings import RunParams, StudyParams
from sedlib.studies.recorded_runs.finished_run import finished_checkpoints
from sedlib.studies.recorded_runs.study_files import write_run
from sedlib.studies.recorded_runs.study_training import StudyTraining, TrainedCheckpoint
from tests.studies.tiny_project import Sums, sums

CPU = torch.device("cpu")


def all_of(training: StudyTraining) -> Iterator[TrainedCheckpoint]:
    while not training.is_over:
        if (found := training.advance()) is not None:
            yield found


def weights(training: StudyTraining) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in training.state_dict()["network"].items()}


class Dropped(Sums):
    """It draws at random in each step."""

    def build(self) -> nn.Module:
        network = super().build()
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.3
        return network


@pytest.mark.parametrize("kind", [Sums, Dropped])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_training_goes_on_from_a_kept_state_as_if_it_had_not_stopped(
    tmp_path: Path, kind: type[OwnStudy], optimizer: str
) -> None:
    study = sums(kind, optimizer=optimizer)
    through, stopped, again = (StudyTraining(study, CPU) for _ in range(3))
    list(all_of(through))
    for _ in range(8):
        stopped.advance()
    path = write_states(tmp_path, "1.state", [copied(stopped.state_dict())])
    content = read_content(path)
    assert content is not None
    (state,) = states_in(content)
    again.load_state_dict(state)
    torch.manual_seed(5)  # what others draw has no effect
    list(all_of(again))
    for name, value in weights(through).items():
        assert torch.equal(value, weights(again)[name]), name


def test_a_step_is_the_optimizer_s_on_the_clipped_gradient_of_the_summed_losses() -> None:
    study = sums(optimizer="sgd", momentum=0.0, lr=0.5, weight_decay=0.0, clip_norm=0.1)
    training, network = StudyTraining(study, CPU), study.network()
    training.advance()
    training.advance()
    network.train()
    study.losses(network, study.examples("train").chosen(study.batch_numbers(0))).sum().backward()
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    norm = torch.cat([gradient.flatten() for gradient in gradients]).norm()
    moved = weights(training)
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None
        expected = parameter.detach() - 0.5 * parameter.grad * 0.1 / norm
        torch.testing.assert_close(moved[name], expected, rtol=1e-4, atol=1e-7)


def test_frozen_slots_stay_and_everything_else_learns() -> None:
    study = sums()
    training, before = StudyTraining(study, CPU, frozen=True), study.network().state_dict()
    list(all_of(training))
    slots = set(study.slots(study.network()).names)
    for name, value in weights(training).items():
        assert torch.equal(value, before[name]) == (name in slots), name


def test_moments_are_adamw_s_and_the_ladder_s_batch_is_the_one_of_the_next_step() -> None:
    study = sums()
    first, *_, last = [(each.step, each.moments) for each in all_of(StudyTraining(study, CPU))]
    assert not first[1]["exp_avg"].any()
    assert last[1]["exp_avg_sq"].gt(0).any()
    ladder = study.ladder()
    assert ladder is not None
    (batch,) = ladder.batches_after([3])
    assert torch.equal(batch.inputs, study.examples("train").chosen(study.batch_numbers(3)).inputs)
    assert sums(optimizer="sgd").ladder() is None


def test_a_loss_that_is_not_finite_ends_the_training_with_what_to_do() -> None:
    with pytest.raises(UserError, match=r"step \d+.*: expected a finite .*; choose a smaller"):
        list(all_of(StudyTraining(sums(optimizer="sgd", lr=1000.0, clip_norm=1e6), CPU)))


@pytest.mark.parametrize("times", [1, 2])
def test_the_file_is_read_as_the_pipeline_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    monkeypatch.chdir(tmp_path)
    study, run = sums(), Workspace("sums-1")
    for _ in range(times):
        write_run(study, run, all_of(StudyTraining(study, CPU)))
    with RunCheckpoints.open(run.checkpoints, study, CPU) as checkpoints:
        assert checkpoints.steps == [0, 3, 6, 9, 12]
    head, *rows = run.table("training").read_text().splitlines()
    assert head == "step,op,train_accuracy,test_accuracy,train_loss,test_loss"
    assert len(rows) == 5 * 2


def finished(source: Any) -> OwnStudy:
    params = StudyParams(runs={"sums-1": RunParams(seed=1, checkpoints=str(source))})
    return Sums("sums-1", params.chosen("sums-1"))


def test_finished_checkpoints_are_taken_in_with_their_readouts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    for checkpoint in all_of(StudyTraining(sums(), CPU)):
        torch.save(checkpoint.model.state_dict(), tmp_path / f"mine/step-{checkpoint.step}.pt")
    study, run = finished("mine"), Workspace("sums-1")
    count, checkpoints = finished_checkpoints(study, CPU)
    assert count == 5
    write_run(study, run, checkpoints)
    with h5py.File(run.checkpoints) as file:
        assert file["steps"][:].tolist() == [0, 3, 6, 9, 12]
        kept = torch.load(tmp_path / "mine/step-12.pt", weights_only=True)
        assert (file["state/token.weight"][-1] == kept["token.weight"].numpy()).all()
    with RunCheckpoints.open(run.checkpoints, study, CPU) as found:
        assert len(found.steps) == 5


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere", r"params.yaml: runs.sums-1.checkpoints = 'nowhere': .*nowhere"),
        ("one", "one: expected at least 2 checkpoints, got 1; save them more often"),
        ("other", r"step 0: .*step-0.pt: .* tensors are missing"),
    ],
)
def test_finished_checkpoints_that_do_not_fit_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder, steps in {"one": [0], "other": [0, 1]}.items():
        Path(folder).mkdir()
        for step in steps:
            torch.save(nn.Linear(2, 2).state_dict(), f"{folder}/step-{step}.pt")
    with pytest.raises(UserError, match=message):
        list(finished_checkpoints(finished(source), CPU)[1])
