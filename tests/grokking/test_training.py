import copy
import hashlib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ruamel.yaml import YAML
from torch.nn import functional as F

from sedlib.base.hdf5.store import ArtifactError
from sedlib.base.randomness import generator
from sedlib.grokking.network.evaluation import Data, evaluate
from sedlib.grokking.network.losses import task_losses
from sedlib.grokking.network.model import GrokkingTransformer, build_model
from sedlib.grokking.setup.experiment import Experiment
from sedlib.grokking.setup.pairs import all_pairs, answers, split
from sedlib.grokking.study import Grokking
from sedlib.grokking.training import stepping
from sedlib.grokking.training.broken_step import TrainingDivergedError
from sedlib.grokking.training.loop import train
from sedlib.grokking.training.recording import record
from sedlib.grokking.training.stepping import Intervention, TrainingStep
from sedlib.grokking.training.training_checkpoint import Checkpoint
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.selftest.plain_network import PlainNetwork, plain_steps
from tests.altered import altered, put
from tests.tiny import TINY

CPU = torch.device("cpu")


def experiment(**changes: dict[str, object]) -> Experiment:
    """The tiny run of two operations, with changes by section."""
    sections: dict[str, dict[str, object]] = {
        "run": TINY["runs"]["both-1"],
        **{name: TINY[name] for name in ("model", "data", "optimizer", "stopping")},
    }
    return Experiment.model_validate({name: {**section, **changes.get(name, {})} for name, section in sections.items()})


def write(
    path: Path, tiny: Experiment, intervene: Callable[[GrokkingTransformer], Intervention] = lambda _: Intervention()
) -> list[dict[str, Any]]:
    """Train and write the checkpoints; return the readouts."""
    data = Data.of(tiny, CPU)
    return record(path, tiny, data, train(tiny, data, CPU, intervene))


def snapshots(tiny: Experiment) -> list[tuple[Checkpoint, dict[str, torch.Tensor]]]:
    found = train(tiny, Data.of(tiny, CPU), CPU)
    return [(checkpoint, copy.deepcopy(checkpoint.model.state_dict())) for checkpoint in found]


def plainly_trained_logits(tiny: Experiment, n_steps: int) -> torch.Tensor:
    """Logits after the same training with PyTorch's own encoder and AdamW by its equations, in float64."""
    network = PlainNetwork(build_model(tiny), tiny)
    ops, p = tiny.run.ops, tiny.data.p
    pairs, _ = split(all_pairs(ops, p), tiny.data.train_fraction, generator(tiny.run.seed, "split"))
    draws, size = generator(tiny.run.seed, "batches"), tiny.optimizer.batch_size
    drawn = [pairs[torch.randint(len(pairs), (size,), generator=draws)] for _ in range(n_steps)]
    plain_steps(network, [(batch, answers(ops, batch, p)) for batch in drawn], tiny.optimizer)
    return network(all_pairs(ops, p)).detach()


def test_training_equals_a_plain_restatement() -> None:
    """Logits and not parameters: keys' biases have no effect, so their gradient is rounding, which AdamW blows up."""
    tiny = experiment()
    checkpoint, state = snapshots(tiny)[2]
    model = build_model(tiny)
    model.load_state_dict(state)
    logits = model(model.embed(all_pairs(tiny.run.ops, tiny.data.p))).double()
    torch.testing.assert_close(logits, plainly_trained_logits(tiny, checkpoint.step), rtol=1e-3, atol=1e-3)


def test_checkpoints_come_at_their_steps_and_training_ends_at_max_steps() -> None:
    assert [checkpoint.step for checkpoint, _ in snapshots(experiment())] == list(range(0, 41, 5))


def test_training_ends_after_enough_grokked_checkpoints() -> None:
    tiny = experiment(stopping={"accuracy": 1e-9, "checkpoints": 3}, data={"train_fraction": 0.2})
    found = [checkpoint for checkpoint, _ in snapshots(tiny)]
    grokked = [all(readout.test_accuracy > 0 for readout in checkpoint.readouts) for checkpoint in found]
    assert sum(grokked) == 3
    assert grokked[-1]
    assert len(found) < 9


def test_training_goes_on_while_one_operation_has_not_grokked() -> None:
    tiny = experiment(stopping={"accuracy": 0.2, "checkpoints": 1})
    found = [checkpoint for checkpoint, _ in snapshots(tiny)]
    reached = [[readout.test_accuracy >= 0.2 for readout in checkpoint.readouts] for checkpoint in found]
    assert [True, False] in reached or [False, True] in reached
    assert not any(all(ops) for ops in reached[:-1])
    assert all(reached[-1]) or found[-1].step == tiny.run.max_steps


def test_training_depends_on_the_experiment_alone() -> None:
    torch.manual_seed(3)
    first = snapshots(experiment())
    torch.manual_seed(4)
    before = torch.get_rng_state()
    second = snapshots(experiment())
    assert torch.equal(torch.get_rng_state(), before)
    for (_, one), (_, other) in zip(first, second, strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)
    other_seed = snapshots(experiment(run={"seed": 2}))
    assert not torch.equal(other_seed[-1][1]["token"], first[-1][1]["token"])


def test_moments_explain_the_next_step() -> None:
    """AdamW by its formula from recorded moments: θ ← θ(1 − lr·wd) − lr·m̂/(√v̂ + 1e-8)."""
    tiny = experiment(run={"checkpoint_every": 1, "max_steps": 6})
    model_layout = [name for name in build_model(tiny).state_dict() if "in_proj_weight" in name or "out_proj.w" in name]
    before = None
    for checkpoint, state in snapshots(tiny):
        theta = torch.cat([state[name].flatten() for name in model_layout])
        if before is None:
            assert checkpoint.exp_avg.count_nonzero() == 0
        else:
            lr, (beta1, beta2) = tiny.optimizer.lr, tiny.optimizer.betas
            m = checkpoint.exp_avg / (1 - beta1**checkpoint.step)
            v = checkpoint.exp_avg_sq / (1 - beta2**checkpoint.step)
            expected = before * (1 - lr * tiny.optimizer.weight_decay) - lr * m / (v.sqrt() + 1e-8)
            torch.testing.assert_close(theta, expected, rtol=1e-4, atol=1e-6)
        before = theta


def test_readouts_by_their_definitions() -> None:
    tiny = experiment()
    data, model = Data.of(tiny, CPU), build_model(tiny)
    found = evaluate(model, data, tiny.run.ops)
    pairs = torch.cat([data.train_pairs, data.test_pairs])
    logits = model(model.embed(pairs)).detach()
    for task, readout in enumerate(found):
        predicted = logits[task].argmax(-1)
        n_train = len(data.train_pairs)
        assert readout.op == tiny.run.ops[task]
        correct = predicted[n_train:] == data.test_answers[task]
        assert readout.test_accuracy == pytest.approx(correct.float().mean().item())
        loss = F.cross_entropy(logits[task][:n_train], data.train_answers[task])
        assert readout.train_loss == pytest.approx(loss.item(), rel=1e-5)
        scale = logits[task].var(-1, correction=0).mean().sqrt()
        assert readout.logit_scale == pytest.approx(scale.item(), rel=1e-5)
        norm = torch.cat([parameter.flatten() for parameter in model.parameters()]).norm()
        assert readout.weight_norm == pytest.approx(norm.item(), rel=1e-5)


def test_a_runs_own_weight_decay_replaces_the_optimizers(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    own = {"add-1": TINY["runs"]["add-1"] | {"weight_decay": 0.0}}
    YAML().dump(TINY | {"runs": TINY["runs"] | own}, path)
    assert Experiment.load("add-1", path).optimizer.weight_decay == 0
    assert Experiment.load("both-1", path).optimizer.weight_decay == 1


@pytest.mark.parametrize("precision", ["highest", "medium"])
def test_products_of_steps_have_the_asked_precision_and_others_full(
    precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny, seen = experiment(optimizer={"matmul_precision": precision}), set()

    def losses(model: GrokkingTransformer, *batch: torch.Tensor) -> torch.Tensor:
        seen.add((torch.get_float32_matmul_precision(), model.heads[0](model.position).dtype))
        found = task_losses(model, *batch)
        assert found.dtype == torch.float32
        return found

    monkeypatch.setattr(stepping, "task_losses", losses)
    for _ in train(tiny, Data.of(tiny, CPU), CPU):
        assert torch.get_float32_matmul_precision() == "highest"
        assert not torch.is_autocast_enabled("cpu")
    assert seen == {(precision, torch.bfloat16 if precision == "medium" else torch.float32)}


class Poison(Intervention):
    """Puts a value into one weight of a network after a step."""

    def __init__(self, model: GrokkingTransformer, name: str, step: int, value: float = np.nan) -> None:
        self._weight, self._left, self._value = model.get_parameter(name), step, value

    @torch.no_grad()
    def after_optimizer(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._weight.flatten()[0] = self._value


class Scale(Intervention):
    """Multiplies the gradient of one weight by a factor from a step on, before it is clipped."""

    def __init__(self, model: GrokkingTransformer, name: str, step: int, factor: float) -> None:
        self._left = step
        model.get_parameter(name).register_hook(lambda gradient: self._scaled(gradient, factor))

    def _scaled(self, gradient: torch.Tensor, factor: float) -> torch.Tensor:
        self._left -= 1
        return gradient if self._left > 0 else gradient * factor


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(
    ("intervene", "message"),
    [
        (
            lambda model: Poison(model, "encoder.layers.1.linear2.weight", 7, np.inf),
            "the loss of add is nan; the loss of mul is nan; not finite: parameter 'encoder.layers.1.linear2.weight'; "
            "not finite: gradient of 'token', 'position', 'encoder.layers.0.self_attn.in_proj_weight' and 29 others",
        ),
        (
            lambda model: Poison(model, "heads.1.weight", 7),
            "the loss of mul is nan; not finite: parameter 'heads.1.weight'; not finite: gradient of 'token'",
        ),
        (lambda model: Scale(model, "position", 8, np.nan), "not finite: gradient of 'position';"),
        (lambda model: Scale(model, "position", 8, np.inf), "not finite: gradient of 'position';"),
        (lambda model: Scale(model, "position", 8, 1e30), "the norm of the gradient overflows, .* in 'position';"),
    ],
)
def test_a_step_that_is_not_finite_stops_there_and_names_loss_and_parameters(
    at_once: bool,
    intervene: Callable[[GrokkingTransformer], Intervention],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """At the step itself, and where the device is not waited for at the next checkpoint: with the same words."""
    monkeypatch.setattr(stepping, "raises_at_once", lambda *_: at_once)
    with pytest.raises(TrainingDivergedError, match=f"step 8 of the training: {message}.* optimizer.lr than 0.01"):
        write(tmp_path / "both-1.h5", experiment(), intervene)
    assert not list(tmp_path.iterdir())


def test_after_a_broken_step_the_network_stays_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """What CUDA relies on: AdamW leaves out every move from the first broken step on, and its batch is kept."""
    monkeypatch.setattr(stepping, "raises_at_once", lambda *_: False)
    tiny = experiment()
    model, data = build_model(tiny), Data.of(tiny, CPU)
    step = TrainingStep(model, data, tiny, Intervention())
    has_three = (data.train_pairs == 3).any(1)
    with_three, without = (torch.arange(len(has_three))[chosen].repeat(32)[:32] for chosen in (has_three, ~has_three))
    step(without)
    model.token.data[3] = np.nan
    kept = copy.deepcopy(model.state_dict())
    step(with_three)
    step(without)
    assert all(torch.equal(kept[name].nan_to_num(), value.nan_to_num()) for name, value in model.state_dict().items())
    with pytest.raises(TrainingDivergedError, match="step 2 of the training: the loss of add is nan"):
        step.require_finite()


def test_divergence_is_reported_with_step_and_remedy() -> None:
    """At the second step, as the first one makes the parameters too large for a loss."""
    tiny = experiment()
    too_fast = tiny.optimizer.model_copy(update={"lr": 1e20})  # more than params.yaml may hold
    with pytest.raises(
        TrainingDivergedError, match=r"step 2 of the training: .*choose a smaller optimizer.lr than 1e\+20"
    ):
        snapshots(tiny.model_copy(update={"optimizer": too_fast}))


def test_pairs_that_are_not_trained_on_must_have_a_finite_loss_too() -> None:
    tiny = experiment(run={"max_steps": 5})
    with pytest.raises(
        TrainingDivergedError, match=r"the loss of add is not finite after step 5 \(train nan, test nan"
    ):
        for _ in train(tiny, Data.of(tiny, CPU), CPU, lambda model: Poison(model, "heads.0.weight", 5)):
            pass


def test_training_twice_writes_the_same_bytes(tmp_path: Path) -> None:
    digests = set()
    for name in ("first.h5", "second.h5"):
        write(tmp_path / name, experiment())
        digests.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(digests) == 1


def test_written_checkpoints_are_the_networks_that_were_trained(tmp_path: Path) -> None:
    tiny = experiment()
    readouts = write(tmp_path / "both-1.h5", tiny)
    trained = snapshots(tiny)
    with RunCheckpoints.open(tmp_path / "both-1.h5", Grokking(experiment()), CPU) as checkpoints:
        assert checkpoints.study == Grokking(tiny)
        assert checkpoints.steps == [checkpoint.step for checkpoint, _ in trained]
        for index, (checkpoint, state) in enumerate(trained):
            found = checkpoints.load(index).state_dict()
            assert all(torch.equal(found[name], state[name]) for name in state)
            for name, expected in {"exp_avg": checkpoint.exp_avg, "exp_avg_sq": checkpoint.exp_avg_sq}.items():
                np.testing.assert_array_equal(checkpoints.file[f"optimizer/{name}"][index], expected)
                assert torch.equal(checkpoints.moments(index)[name], expected)
        pairs = torch.cat([torch.from_numpy(checkpoints.file[f"split/{pool}"][:]) for pool in ("train", "test")])
        assert sorted(pairs.tolist()) == all_pairs(tiny.run.ops, tiny.data.p).tolist()
        for pool in ("train", "test"):
            inputs = checkpoints.study.examples(pool).inputs
            np.testing.assert_array_equal(checkpoints.file[f"split/{pool}"][:], inputs)
    assert readouts == [
        {"step": checkpoint.step, **asdict(readout)} for checkpoint, _ in trained for readout in checkpoint.readouts
    ]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "state/token",
            np.zeros((9, 7, 4), np.float32),
            r"'state/token' of shape \(9, 7, 4\), not \[steps, 7, 8\]",
        ),
        ("state/token", None, "no dataset 'state/token'"),
        ("state/notes", np.zeros((9, 2), np.float32), "an unknown dataset 'state/notes'"),
        ("notes", np.zeros((9, 2), np.float32), "an unknown dataset 'notes'"),
        ("steps", np.arange(0, 45, 5)[::-1], "values of 'steps' that do not increase"),
        ("steps", np.arange(-5, 40, 5), r"-5 in dataset 'steps' at \[0\]"),
        ("steps", np.arange(0, 90, 10), "'steps' of 0, 10, 20, 30, 40, … .9 in all., not the start of 0, 5, 10"),
        ("optimizer/exp_avg_sq", np.full((9, 512), -1e-3, np.float32), "-0.001.* in dataset 'optimizer/exp_avg_sq'"),
        ("split/test", np.zeros((24, 2), np.int64), "'split/test' other than the"),
        ("steps", np.zeros(9, np.int64), "values of 'steps' that do not increase: 0, 0, 0, 0, 0, … .9 in all"),
    ],
)
def test_checkpoints_that_do_not_fit_their_run_are_refused(
    tmp_path: Path, name: str, value: np.ndarray | None, message: str
) -> None:
    path = tmp_path / "both-1.h5"
    write(path, experiment())
    with altered(path) as file:
        put(file, name, value)
    with pytest.raises(ArtifactError, match=message), RunCheckpoints.open(path, Grokking(experiment()), CPU):
        pass


def test_a_broken_checkpoint_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "both-1.h5"
    write(path, experiment())
    with altered(path) as file:
        file["state/token"][3, 0, 0] = np.nan
    with (
        pytest.raises(ArtifactError, match=r"nan in dataset 'state/token' at \[3, 0, 0\].*train@both-1"),
        RunCheckpoints.open(path, Grokking(experiment()), CPU),
    ):
        pass
