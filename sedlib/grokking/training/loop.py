"""Training, step by step, with a checkpoint every so many steps."""

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict

import torch

from sedlib.base.randomness import generator
from sedlib.grokking.network.evaluation import Data, Readouts, evaluate
from sedlib.grokking.network.model import GrokkingTransformer, build_model
from sedlib.grokking.setup.experiment import Experiment
from sedlib.grokking.training.broken_step import TrainingDivergedError
from sedlib.grokking.training.stepping import Intervention, TrainingStep
from sedlib.grokking.training.training_checkpoint import Checkpoint
from sedlib.pipeline.resume.kept_states import State, copy_into
from sedlib.pipeline.resume.resumable import resumed
from sedlib.vectors import ParamLayout


class Training:
    """A run that is trained from step 0, with a checkpoint every ``checkpoint_every`` steps, step 0 included.

    It is over once every operation's test accuracy has reached ``stopping.accuracy`` at ``stopping.checkpoints``
    checkpoints, or after ``max_steps``.

    Parameters
    ----------
    intervene
        Makes the intervention for the network that is trained; without it every step is natural.
    """

    def __init__(
        self,
        experiment: Experiment,
        data: Data,
        device: torch.device,
        intervene: Callable[[GrokkingTransformer], Intervention] = lambda model: Intervention(),
    ) -> None:
        self._experiment, self._data = experiment, data
        self._model = build_model(experiment).to(device)
        self._slots = ParamLayout.attention(self._model)
        self._intervention = intervene(self._model)
        self._take_step = TrainingStep(self._model, data, experiment, self._intervention)
        self._batches = generator(experiment.run.seed, "batches")
        self._step = -1
        self._grokked = 0

    @property
    def is_over(self) -> bool:
        """Whether no step is left."""
        return self._step >= self._experiment.run.max_steps or self._grokked >= self._experiment.stopping.checkpoints

    def advance(self) -> Checkpoint | None:
        """Take the next step; the first call takes none and gives the checkpoint at step 0.

        Raises
        ------
        TrainingDivergedError
            A loss or a gradient is not finite, at the step or on all pairs at a checkpoint.
        """
        self._step += 1
        if self._step:
            size = (self._experiment.optimizer.batch_size,)
            self._take_step(torch.randint(len(self._data.train_pairs), size, generator=self._batches))
        return None if self._step % self._experiment.run.checkpoint_every else self._checkpoint()

    def _checkpoint(self) -> Checkpoint:
        self._take_step.require_finite()
        readouts = evaluate(self._model, self._data, self._experiment.run.ops)
        _require_finite(readouts, self._step, self._experiment.optimizer.lr)
        accuracy = self._experiment.stopping.accuracy
        self._grokked += all(readout.test_accuracy >= accuracy for readout in readouts)
        exp_avg, exp_avg_sq = (self._take_step.moment(name, self._slots) for name in ("exp_avg", "exp_avg_sq"))
        return Checkpoint(self._step, self._model, exp_avg, exp_avg_sq, readouts, self._intervention.read_out())

    def state_dict(self) -> State:
        """All that the next steps depend on and a new object does not have.

        Raises
        ------
        TrainingDivergedError
            The network is not what steps have made it, as one was not finite.
        """
        self._take_step.require_finite()
        return {
            "step": self._step,
            "grokked": self._grokked,
            "batches": self._batches.get_state(),
            "taken": self._take_step.state_dict(),
            "intervention": self._intervention.state_dict(),
        }

    def load_state_dict(self, state: State) -> None:
        """Go on from a state."""
        self._step, self._grokked = state["step"], state["grokked"]
        self._batches.set_state(state["batches"])
        self._take_step.load_state_dict(state["taken"])
        self._intervention.load_state_dict(state["intervention"])

    def record(self, checkpoint: Checkpoint) -> State:
        """The checkpoint with its network."""
        return {
            "step": checkpoint.step,
            "network": dict(checkpoint.model.state_dict()),
            **checkpoint.moments,
            "readouts": [asdict(readout) for readout in checkpoint.readouts],
            "intervention": checkpoint.intervention,
        }

    def replay(self, record: State) -> Checkpoint:
        """The checkpoint of a record, in the network that is trained."""
        own = self._model.state_dict()
        for name, value in record["network"].items():
            copy_into(own[name], value)
        exp_avg, exp_avg_sq = (record[name].to(self._model.token.device) for name in ("exp_avg", "exp_avg_sq"))
        readouts = [Readouts(**readout) for readout in record["readouts"]]
        return Checkpoint(record["step"], self._model, exp_avg, exp_avg_sq, readouts, record["intervention"])


def train(
    experiment: Experiment,
    data: Data,
    device: torch.device,
    intervene: Callable[[GrokkingTransformer], Intervention] = lambda model: Intervention(),
) -> Iterator[Checkpoint]:
    """Every checkpoint of a `Training`.

    Raises
    ------
    TrainingDivergedError
        A loss or a gradient is not finite, at a step or on all pairs at a checkpoint.
    """
    return resumed(Training(experiment, data, device, intervene), None)


def _require_finite(readouts: list[Readouts], step: int, lr: float) -> None:
    for readout in readouts:
        if not all(map(math.isfinite, (readout.train_loss, readout.test_loss))):
            raise TrainingDivergedError(
                f"the loss of {readout.op} is not finite after step {step:,} (train {readout.train_loss}, "
                f"test {readout.test_loss}); choose a smaller optimizer.lr than {lr} or a smaller clip_norm"
            )
