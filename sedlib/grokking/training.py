"""The training loop: a generator of checkpoints.

Shapes: logits are ``[tasks, pairs, p]``, attention-slot vectors ``[params]``.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from sedlib.errors import UserError
from sedlib.grokking.experiment import Experiment
from sedlib.grokking.model import GrokkingTransformer, build
from sedlib.grokking.tasks import all_pairs, answers, split
from sedlib.randomness import generator
from sedlib.vectors import ParamLayout

EVALUATION_BATCH = 1024  # fits the cache: half the time of one batch of all pairs


class TrainingDivergedError(UserError):
    """The loss is no longer finite."""


@dataclass(frozen=True)
class Data:
    """Training and test pairs of a run with their answers, on the device."""

    train_pairs: Int64[Tensor, "train 2"]
    train_answers: Int64[Tensor, "tasks train"]
    test_pairs: Int64[Tensor, "test 2"]
    test_answers: Int64[Tensor, "tasks test"]

    @classmethod
    def of(cls, experiment: Experiment, device: torch.device) -> "Data":
        """The run's split."""
        ops, p = experiment.run.ops, experiment.data.p
        train, test = split(all_pairs(ops, p), experiment.data.train_fraction, generator(experiment.run.seed, "split"))
        return cls(*(part.to(device) for part in (train, answers(ops, train, p), test, answers(ops, test, p))))


@dataclass(frozen=True)
class Readouts:
    """What is read off the network at a checkpoint, for one operation."""

    op: str
    train_accuracy: float
    test_accuracy: float
    train_loss: float
    test_loss: float
    weight_norm: float
    """Euclidean norm of all parameters."""
    logit_scale: float
    """Standard deviation of a pair's logits over the answers, root mean square over all pairs."""


class Intervention:
    """What is done to the natural step of some parameters: here nothing, the control."""

    def before_optimizer(self) -> None:
        """Called when the clipped gradient is there and the optimizer has not used it."""

    def after_optimizer(self) -> None:
        """Called when the optimizer has moved the parameters."""

    def read_out(self) -> dict[str, float | None]:
        """Readouts over the steps since the last call."""
        return {}


@dataclass(frozen=True)
class Checkpoint:
    """The network at a checkpoint. ``model`` is live: copy what is to be kept."""

    step: int
    model: GrokkingTransformer
    exp_avg: Float[Tensor, " params"]
    exp_avg_sq: Float[Tensor, " params"]
    readouts: list[Readouts]
    intervention: dict[str, float | None]
    """Readouts of the intervention over the steps since the last checkpoint."""


def build_model(experiment: Experiment) -> GrokkingTransformer:
    """The run's network at step 0, on the CPU."""
    size = experiment.model
    return build(
        experiment.data.p,
        len(experiment.run.ops),
        size.d_model,
        size.heads,
        size.d_ff,
        size.layers,
        generator(experiment.run.seed, "init"),
    )


def train(
    experiment: Experiment,
    data: Data,
    device: torch.device,
    intervene: Callable[[GrokkingTransformer], Intervention] = lambda model: Intervention(),
) -> Iterator[Checkpoint]:
    """Train from step 0, yielding a checkpoint every ``checkpoint_every`` steps, step 0 included.

    ``intervene`` makes the intervention for the network that is trained; without it every step is natural.

    Ends once every operation's test accuracy has reached ``stopping.accuracy`` at ``stopping.checkpoints``
    checkpoints, or after ``max_steps``.

    Raises
    ------
    TrainingDivergedError
        A loss is not finite at a checkpoint.
    """
    run, settings, stopping = experiment.run, experiment.optimizer, experiment.stopping
    model = build_model(experiment).to(device)
    slots = ParamLayout.attention(model)
    beta1, beta2 = settings.betas
    optimizer = torch.optim.AdamW(
        model.parameters(), settings.lr, (beta1, beta2), weight_decay=settings.weight_decay, fused=True
    )
    intervention = intervene(model)
    batches = generator(run.seed, "batches")
    grokked = 0
    for step in range(run.max_steps + 1):
        if step:
            _step(model, optimizer, data, settings.batch_size, settings.clip_norm, batches, intervention)
        if step % run.checkpoint_every:
            continue
        readouts = evaluate(model, data, run.ops)
        _require_finite(readouts, step, settings.lr)
        yield Checkpoint(
            step,
            model,
            _moment(optimizer, model, slots, "exp_avg"),
            _moment(optimizer, model, slots, "exp_avg_sq"),
            readouts,
            intervention.read_out(),
        )
        grokked += all(readout.test_accuracy >= stopping.accuracy for readout in readouts)
        if grokked >= stopping.checkpoints:
            return


def _step(
    model: GrokkingTransformer,
    optimizer: torch.optim.Optimizer,
    data: Data,
    batch_size: int,
    clip_norm: float,
    batches: torch.Generator,
    intervention: Intervention,
) -> None:
    """One AdamW step on the sum of the operations' losses over a fresh batch."""
    batch = torch.randint(len(data.train_pairs), (batch_size,), generator=batches).to(data.train_pairs.device)
    losses = task_losses(model, data.train_pairs[batch], data.train_answers[:, batch])
    optimizer.zero_grad()
    losses.sum().backward()
    nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
    intervention.before_optimizer()
    optimizer.step()
    intervention.after_optimizer()


def task_losses(
    model: GrokkingTransformer, pairs: Int64[Tensor, "batch 2"], answers: Int64[Tensor, "tasks batch"]
) -> Float[Tensor, " tasks"]:
    """Mean cross-entropy of every operation from one forward pass."""
    return _pair_losses(model(model.embed(pairs)), answers).mean(-1)


def _pair_losses(
    logits: Float[Tensor, "tasks batch p"], answers: Int64[Tensor, "tasks batch"]
) -> Float[Tensor, "tasks batch"]:
    """Cross-entropy of each pair; flattened, as the kernel for three axes is not deterministic on CUDA."""
    return F.cross_entropy(logits.flatten(0, 1), answers.flatten(), reduction="none").view_as(answers)


@torch.no_grad()
def evaluate(model: GrokkingTransformer, data: Data, ops: list[str]) -> list[Readouts]:
    """Readouts of every operation over all training and test pairs."""
    train_accuracy, train_loss, train_variance = _evaluate_split(model, data.train_pairs, data.train_answers)
    test_accuracy, test_loss, test_variance = _evaluate_split(model, data.test_pairs, data.test_answers)
    n_train, n_test = len(data.train_pairs), len(data.test_pairs)
    variance = (n_train * train_variance + n_test * test_variance) / (n_train + n_test)
    weight_norm = torch.stack([parameter.norm() for parameter in model.parameters()]).norm()
    return [
        Readouts(op, *(float(value) for value in values))
        for op, *values in zip(
            ops,
            train_accuracy,
            test_accuracy,
            train_loss,
            test_loss,
            weight_norm.expand(len(ops)),
            variance.sqrt(),
            strict=True,
        )
    ]


def _evaluate_split(
    model: GrokkingTransformer, pairs: Int64[Tensor, "pairs 2"], answers: Int64[Tensor, "tasks pairs"]
) -> tuple[Float[Tensor, " tasks"], Float[Tensor, " tasks"], Float[Tensor, " tasks"]]:
    """Accuracy, mean loss and mean variance of the logits of every operation."""
    sums = torch.zeros(3, len(answers), device=pairs.device)
    for some_pairs, some_answers in zip(
        pairs.split(EVALUATION_BATCH), answers.split(EVALUATION_BATCH, dim=1), strict=True
    ):
        logits = model(model.embed(some_pairs))
        losses = _pair_losses(logits, some_answers)
        correct = (logits.argmax(-1) == some_answers).float()
        sums += torch.stack([correct, losses, logits.var(-1, correction=0)]).sum(-1)
    accuracy, loss, variance = sums / len(pairs)
    return accuracy, loss, variance


def _require_finite(readouts: list[Readouts], step: int, lr: float) -> None:
    for readout in readouts:
        if not (torch.isfinite(torch.tensor([readout.train_loss, readout.test_loss])).all()):
            raise TrainingDivergedError(
                f"the loss of {readout.op} is not finite at step {step} (train {readout.train_loss}, "
                f"test {readout.test_loss}); choose a smaller optimizer.lr than {lr} or a smaller clip_norm"
            )


def _moment(
    optimizer: torch.optim.Optimizer, model: GrokkingTransformer, slots: ParamLayout, name: str
) -> Float[Tensor, " params"]:
    """AdamW's moment of the attention slots; zero before the first step, as AdamW starts."""
    return slots.flatten(
        {
            key: optimizer.state[parameter].get(name, torch.zeros_like(parameter))
            for key, parameter in slots.of(model).items()
        }
    )
