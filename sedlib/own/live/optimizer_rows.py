"""Rows of the optimizer's last step, from the moments that it left: the ladder between gradient and update.

Shapes: rows and moments are ``[params]``. Units: as in sedlib.adam.
"""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from sedlib.adam import last_step
from sedlib.base.errors import UserError, listed
from sedlib.own.live.live_rows import Taken
from sedlib.own.live.sharded_rows import slot_parameters, whole
from sedlib.terms.stream_names import ladder_stream
from sedlib.vectors import ParamLayout

MOMENTS = ("exp_avg", "exp_avg_sq")


class OptimizerRows:
    """Reads Adam's or AdamW's moments; the settings of a group are those with which its last step was made.

    A schedule may have set the next step's learning rate before rows are taken, so it is noted at each step.

    Raises
    ------
    UserError
        The optimizer is another, or a variant of it; slots are none of its parameters, or merged with an adapter.
    """

    def __init__(self, module: nn.Module, layout: ParamLayout, optimizer: Optimizer) -> None:
        self._optimizer = optimizer = getattr(optimizer, "optimizer", optimizer)  # inside Accelerate's wrapper
        if not isinstance(optimizer, Adam) or any(
            group["amsgrad"] or group["maximize"] for group in _groups(optimizer)
        ):
            raise UserError(
                f"optimizer: expected torch.optim.Adam or AdamW, without amsgrad and maximize, got "
                f"{type(optimizer).__name__}; without it gradients and updates are recorded"
            )
        if any(slot.added for slot in layout.slots):
            raise UserError("optimizer: a merged weight has no moments; choose the adapter's own parameters as slots")
        self._layout, self._parameters = layout, slot_parameters(module, layout)
        held = {id(parameter) for group in _groups(optimizer) for parameter in group["params"]}
        if unknown := [name for name, parameter in self._parameters.items() if id(parameter) not in held]:
            raise UserError(f"optimizer: it does not move {listed(unknown)}, which are among the slots")
        self._rates: list[float] | None = None
        self._counts, self._moved = self._counted(), set[int]()
        self._hook = optimizer.register_step_post_hook(self._note)

    def close(self) -> None:
        """Note no more steps."""
        self._hook.remove()

    def added_to(self, taken: Taken) -> Taken:
        """What was taken, with the ladder's rows if a step was made since this object was made."""
        if self._rates is None:
            return taken
        parts: dict[str, dict[str, Tensor]] = {}
        for group, lr in zip(_groups(self._optimizer), self._rates, strict=True):
            own = {id(parameter) for parameter in group["params"]}
            for name, parameter in self._parameters.items():
                if id(parameter) in own:
                    for rung, row in self._rungs(parameter, group, lr).items():
                        parts.setdefault(rung, {})[name] = row
        self._rates = None  # a step is recorded once
        rows = {ladder_stream(rung): self._layout.flatten(values) for rung, values in parts.items()}
        broken = {stream: "not finite" for stream, row in rows.items() if not row.isfinite().all()}
        kept = {stream: row for stream, row in rows.items() if stream not in broken}
        return Taken({**taken.rows, **kept}, {**taken.left_out, **broken}, taken.theta)

    def _rungs(self, parameter: nn.Parameter, group: dict[str, Any], lr: float) -> dict[str, Tensor]:
        state = self._optimizer.state.get(parameter, {})
        value = whole(parameter.detach())
        moments = {name: whole(state[name]) if name in state else torch.zeros_like(value) for name in MOMENTS}
        flat = {name: moment.reshape(-1) for name, moment in moments.items()}
        decay = group["weight_decay"] if group["decoupled_weight_decay"] else 0.0
        betas = cast("tuple[float, float]", tuple(map(float, group["betas"])))
        count = max(int(state.get("step", 1)), 1)
        rungs = last_step(
            value.reshape(-1), flat, count, lr=lr, betas=betas, weight_decay=decay, epsilon=float(group["eps"])
        )
        moved = id(parameter) in self._moved  # what has no gradient is left out by the optimizer, its decay too
        return {rung: row.view_as(value) if moved else torch.zeros_like(value) for rung, row in rungs.items()}

    def _note(self, *_: Any) -> None:
        self._rates = [float(group["lr"]) for group in _groups(self._optimizer)]
        before, self._counts = self._counts, self._counted()
        self._moved = {key for key, count in self._counts.items() if count != before.get(key)}

    def _counted(self) -> dict[int, float]:
        """How many steps the optimizer has made with each of the parameters."""
        states = {id(value): self._optimizer.state.get(value, {}) for value in self._parameters.values()}
        return {key: float(state["step"]) for key, state in states.items() if "step" in state}


def _groups(optimizer: Optimizer) -> list[dict[str, Any]]:
    return optimizer.param_groups
