"""A network at one whole checkpoint, as a function of its slots.

Shapes: θ is ``[params]``, the slots of a ParamLayout. Units: those of the parameters.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sedlib.base.border.kinds import require_module, wrong_kind
from sedlib.models.full_precision import full_precision
from sedlib.models.measuring import Ways, measuring
from sedlib.models.refusals.explained import explained
from sedlib.models.refusals.reentrant import without_reentrance
from sedlib.models.states import whole_state
from sedlib.models.tensors import memories, replaced_everywhere, require_slots
from sedlib.models.trials.slots_memory import require_own_memory
from sedlib.vectors import ParamLayout


class Checkpoint:
    r"""Every parameter and buffer of ``module`` at one step, of which the slots θ can be moved.

    The values are copies: training may go on, and nothing that is measured changes the module. A measurement runs with
    the module in eval mode, without autocast; tensors of 16 bits are measured in float32. Weights that
    are tied move together.

    Parameters
    ----------
    module
        The network. Without ``state``, its own values are used.
    layout
        The slots.
    state
        A state dict of the module, such as a file of weights holds, in place of the module's own values.

    Raises
    ------
    ValueError
        ``state`` is not a state dict of the module, or a tensor cannot be measured: sharded, quantised, without values,
        not finite. The slots are of several dtypes, not among the module's parameters, or twice the same one. Of a
        function of the module: it leaves the module in train mode, or PyTorch cannot evaluate or differentiate it.

    Examples
    --------
    >>> module = nn.Sequential(nn.Linear(2, 1, bias=False), nn.Dropout(0.5))
    >>> layout = ParamLayout.select(module, "0.weight")
    >>> checkpoint = Checkpoint(module, layout, {"0.weight": torch.tensor([[3.0, 4.0]])})
    >>> checkpoint.theta, checkpoint.parameters
    (tensor([3., 4.]), ['0.weight'])
    >>> doubled = checkpoint.at(lambda module, inputs: module(inputs), 2 * checkpoint.theta)
    >>> doubled(torch.ones(1, 2))  # no dropout
    tensor([[14.]])
    >>> checkpoint.unreached(lambda module: torch.zeros(1))  # a function that does not use the module
    ['0.weight']
    """

    def __init__(self, module: nn.Module, layout: ParamLayout, state: Mapping[str, Any] | None = None) -> None:
        require_module(module)
        if not isinstance(layout, ParamLayout):
            raise wrong_kind("layout", "a ParamLayout", layout, "ParamLayout.select(module, …) makes one")
        self.module, self.layout, self._memories = module, layout, memories(module)
        with full_precision(), torch.no_grad():
            self._state, self.live = whole_state(module, state)
            self.theta: Float[Tensor, " params"] = layout.flatten(self._state)
            require_slots(module, layout.placed(self.theta, self._state), self._state)
        self._ways: Ways = {}
        require_own_memory(module, self.parameters)

    def changed(self, ways: Ways) -> "Checkpoint":
        """The same checkpoint, measured with these attributes of the network changed.

        Examples
        --------
        >>> module = nn.Linear(2, 1)
        >>> checkpoint = Checkpoint(module, ParamLayout.select(module, "weight"))
        >>> named = checkpoint.changed({(id(module), "name"): lambda attributes, name: attributes.update({name: "x"})})
        >>> named.at(lambda module: module.name)(), hasattr(module, "name")
        ('x', False)
        """
        other = copy(self)
        other._ways = self._ways | ways
        return other

    def at(self, function: Callable[..., Any], theta: Float[Tensor, " params"] | None = None) -> Callable[..., Any]:
        """``function(module, …)`` of this checkpoint, with θ in the slots, or with the slots' own values.

        It can be differentiated in θ, in both modes. ``function`` must use the module that it is given.

        Raises
        ------
        ValueError
            θ is not a vector of the layout's size in the slots' dtype, on their device.
        """
        theta = self.theta if theta is None else self._theta(theta)
        placed = self.layout.placed(theta, self._state)
        return self._call(function, self._state | replaced_everywhere(self._memories, placed))

    def _theta(self, theta: object) -> Tensor:
        own = self.theta
        if not isinstance(theta, Tensor):
            raise wrong_kind("theta", f"a tensor of {len(own):,} elements", theta)
        if (theta.dtype, theta.device) != (own.dtype, own.device):
            raise ValueError(
                f"theta: expected {own.dtype} on {own.device}, as the checkpoint's own, got {theta.dtype} on "
                f"{theta.device}; theta.to(checkpoint.theta) converts it"
            )
        return theta

    @property
    def parameters(self) -> list[str]:
        """Names of the parameters that the slots are, or are parts of."""
        return list(self.layout.placed(self.theta, self._state))

    def unreached(self, function: Callable[[nn.Module], Tensor]) -> list[str]:
        """Parameters among the slots on which the result of ``function`` does not depend.

        Raises
        ------
        ValueError
            It is no function of the module.
        """
        with full_precision():
            placed = self.layout.placed(self.theta, self._state)
            leaves = {name: value.detach().clone().requires_grad_() for name, value in placed.items()}

            def reached(module: nn.Module) -> Sequence[Tensor | None]:
                result = function(module)
                if not result.requires_grad:
                    return [None] * len(leaves)
                return torch.autograd.grad(result.sum(), list(leaves.values()), allow_unused=True)

            found = self._call(reached, self._state | replaced_everywhere(self._memories, leaves))()
        return [name for name, gradient in zip(leaves, found, strict=True) if gradient is None]

    def _call(self, function: Callable[..., Any], tensors: Mapping[str, Tensor]) -> Callable[..., Any]:
        if not callable(function):
            raise wrong_kind("function", "a function of (module, …)", function)
        call = _Call(self.module, function)
        replaced = {f"module.{name}": value for name, value in tensors.items()}

        def evaluated(*arguments: Any) -> Any:
            with measuring(self.module, self._ways), explained(self.theta, self.module), without_reentrance():
                return torch.func.functional_call(call, dict(replaced), arguments, tie_weights=False)

        return evaluated


class _Call(nn.Module):
    """A function of a module as a module, whose tensors PyTorch can replace for the time of a call."""

    def __init__(self, module: nn.Module, function: Callable[..., Any]) -> None:
        super().__init__()
        self.module, self.function = module, function

    def forward(self, *arguments: Any) -> Any:
        return self.function(self.module, *arguments)
