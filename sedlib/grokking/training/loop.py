"""The training loop: a generator of checkpoints."""

import math
from collections.abc import Callable, Iterator

import torch

from sedlib.base.randomness import generator
from sedlib.grokking.network.evaluation import Data, Readouts, evaluate
from sedlib.grokking.network.model import GrokkingTransformer, build_model
from sedlib.grokking.setup.experiment import Experiment
from sedlib.grokking.training.broken_step import TrainingDivergedError
from sedlib.grokking.training.checkpoint import Checkpoint
from sedlib.grokking.training.stepping import Intervention, TrainingStep
from sedlib.vectors import ParamLayout


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
        A loss or a gradient is not finite, at a step or on all pairs at a checkpoint.
    """
    run, settings, stopping = experiment.run, experiment.optimizer, experiment.stopping
    model = build_model(experiment).to(device)
    slots = ParamLayout.attention(model)
    intervention = intervene(model)
    take_step = TrainingStep(model, data, experiment, intervention)
    batches = generator(run.seed, "batches")
    grokked = 0
    for step in range(run.max_steps + 1):
        if step:
            take_step(torch.randint(len(data.train_pairs), (settings.batch_size,), generator=batches))
        if step % run.checkpoint_every:
            continue
        take_step.require_finite()
        readouts = evaluate(model, data, run.ops)
        _require_finite(readouts, step, settings.lr)
        exp_avg, exp_avg_sq = (take_step.moment(name, slots) for name in ("exp_avg", "exp_avg_sq"))
        yield Checkpoint(step, model, exp_avg, exp_avg_sq, readouts, intervention.read_out())
        grokked += all(readout.test_accuracy >= stopping.accuracy for readout in readouts)
        if grokked >= stopping.checkpoints:
            return


def _require_finite(readouts: list[Readouts], step: int, lr: float) -> None:
    for readout in readouts:
        if not all(map(math.isfinite, (readout.train_loss, readout.test_loss))):
            raise TrainingDivergedError(
                f"the loss of {readout.op} is not finite after step {step:,} (train {readout.train_loss}, "
                f"test {readout.test_loss}); choose a smaller optimizer.lr than {lr} or a smaller clip_norm"
            )
