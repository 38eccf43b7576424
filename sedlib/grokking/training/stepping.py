"""One training step: the gradient on a batch, clipped, and AdamW, on all parameters as one vector.

Shapes: vectors are ``[all]``, every parameter of the network in its own order; those of the attention slots
are ``[params]``.
"""

from typing import cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from sedlib.base.machine.hardware import matmul_precision
from sedlib.base.machine.replays import replayed
from sedlib.grokking.network.evaluation import Data
from sedlib.grokking.network.losses import task_losses
from sedlib.grokking.network.model import GrokkingTransformer
from sedlib.grokking.setup.experiment import Experiment
from sedlib.grokking.training.broken_step import BrokenStep, TrainingDivergedError, what_is_not_finite
from sedlib.pipeline.resume.kept_states import State, copy_into
from sedlib.vectors import ParamLayout


class Intervention:
    """What is done to the natural step of some parameters: here nothing, the control."""

    def before_optimizer(self) -> None:
        """Called when the clipped gradient is there and the optimizer has not used it."""

    def after_optimizer(self) -> None:
        """Called when the optimizer has moved the parameters."""

    def read_out(self) -> dict[str, float | None]:
        """Readouts over the steps since the last call."""
        return {}

    def state_dict(self) -> State:
        """All that the next steps depend on and a new intervention does not have."""
        return {}

    def load_state_dict(self, state: State) -> None:
        """Go on from a state."""


class TrainingStep:
    """AdamW on the sum of the operations' losses.

    The network's parameters become views of one vector, and their gradients of another: norm, clipping and AdamW
    are then one call each. On CUDA both halves of a step are recorded once and replayed.

    No step is made with a loss or a gradient that is not finite, nor any step after it. On the CPU, and under an
    intervention, such a step raises; on CUDA, which a check at every step would hold up, ``require_finite`` does.
    """

    def __init__(
        self, model: GrokkingTransformer, data: Data, experiment: Experiment, intervention: Intervention
    ) -> None:
        self._model, self._data, self._ops, self._intervention = model, data, experiment.run.ops, intervention
        self._settings = settings = experiment.optimizer
        self._layout = ParamLayout.select(model, "*")
        self._vector = _as_one_vector(model, self._layout)
        device = self._vector.device
        # What PyTorch's own setting of this name does for products on the CPU needs AMX.
        self._in_bfloat16 = settings.matmul_precision == "medium" and device.type == "cpu"
        self._optimizer = torch.optim.AdamW(
            [self._vector],
            settings.lr,
            cast("tuple[float, float]", tuple(settings.betas)),
            weight_decay=settings.weight_decay,
            fused=True,
            capturable=device.type == "cuda",
        )
        self._batch = torch.zeros(settings.batch_size, dtype=torch.int64, device=device)
        self._broken = BrokenStep(self._batch)
        self._optimizer.found_inf = self._broken.found  # type: ignore[attr-defined]  # as GradScaler leaves out a move
        self._raises_at_once = raises_at_once(device, intervention)
        self._set_gradient = replayed(self._clipped_gradient, device)
        self._move = replayed(self._optimizer.step, device)

    def __call__(self, batch: Int64[Tensor, " batch"]) -> None:
        """Step on the training pairs numbered ``batch``.

        Raises
        ------
        TrainingDivergedError
            Here or later (see the class): the loss or the gradient is not finite.
        """
        self._batch.copy_(batch)
        with matmul_precision(self._settings.matmul_precision):
            self._set_gradient()
        if self._raises_at_once:
            self.require_finite()
        self._intervention.before_optimizer()
        self._move()
        self._intervention.after_optimizer()

    def require_finite(self) -> None:
        """Refuse to go on, or to keep anything of the network, after a step that was not finite.

        Raises
        ------
        TrainingDivergedError
            There was one; the message names it, and the operations and parameters by which it broke.
        """
        if not self._broken.found:
            return
        self._batch.copy_(self._broken.batch)
        with matmul_precision(self._settings.matmul_precision):
            losses = dict(zip(self._ops, self._gradient(), strict=True))
        step = int(self._optimizer.state[self._vector].get("step", 0)) + 1
        values = (self._layout.unflatten(vector) for vector in (self._vector, cast("Tensor", self._vector.grad)))
        raise TrainingDivergedError(
            f"step {step:,} of the training: {what_is_not_finite(losses, *values)}; choose a smaller "
            f"optimizer.lr than {self._settings.lr} or a smaller clip_norm than {self._settings.clip_norm}"
        )

    def moment(self, name: str, slots: ParamLayout) -> Float[Tensor, " params"]:
        """AdamW's moment ``exp_avg`` or ``exp_avg_sq`` of the slots; zero before the first step, as AdamW starts."""
        moment = self._optimizer.state[self._vector].get(name, torch.zeros_like(self._vector))
        return slots.flatten(self._layout.unflatten(moment))

    def state_dict(self) -> State:
        """The parameters and AdamW's state."""
        return {"parameters": self._vector, "optimizer": dict(self._optimizer.state[self._vector])}

    def load_state_dict(self, state: State) -> None:
        """Go on from a state, in the tensors that there are: what was recorded reads them."""
        copy_into(self._vector, state["parameters"])
        own = self._optimizer.state[self._vector]
        for name, value in state["optimizer"].items():
            copy_into(own.setdefault(name, torch.empty_like(value, device=self._vector.device)), value)

    def _clipped_gradient(self) -> None:
        losses = self._gradient()
        norm = nn.utils.clip_grad_norm_([self._vector], self._settings.clip_norm)
        self._broken.look(losses.sum() + norm, self._batch)

    def _gradient(self) -> Float[Tensor, " tasks"]:
        """Set the gradient on the batch; the losses."""
        cast("Tensor", self._vector.grad).zero_()
        pairs, answers = self._data.train_pairs[self._batch], self._data.train_answers[:, self._batch]
        with torch.autocast("cpu", torch.bfloat16, enabled=self._in_bfloat16):
            losses = task_losses(self._model, pairs, answers)
        losses.sum().backward()
        return losses.detach()


def raises_at_once(device: torch.device, intervention: Intervention) -> bool:
    """Whether each step is checked: an intervention reads what it does anyway, and must not see what is not finite."""
    return device.type == "cpu" or type(intervention) is not Intervention


def _as_one_vector(model: nn.Module, layout: ParamLayout) -> nn.Parameter:
    """All parameters in one, of which those of ``model`` become views; likewise the gradients."""
    parameters = layout.of(model)
    vector = nn.Parameter(layout.flatten(parameters).detach())
    vector.grad = torch.zeros_like(vector)
    values, gradients = layout.unflatten(vector.data), layout.unflatten(vector.grad)
    for name, parameter in parameters.items():
        parameter.data, parameter.grad = values[name], gradients[name]
    return vector
