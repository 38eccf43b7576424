"""The slots of a run, however they are chosen."""

from torch import nn
from torch.nn.parameter import UninitializedParameter

from sedlib.base.errors import UserError, listed
from sedlib.vectors import ParamLayout


def slots_of(module: nn.Module, slots: ParamLayout | str | None = None) -> ParamLayout:
    """A layout as it is, the attention slots for ``"attention"`` or None, or the parameters of a glob.

    Raises
    ------
    UserError
        A parameter has no size yet.
    ValueError
        The module has no such slots.

    Examples
    --------
    >>> slots_of(nn.Linear(3, 2), "weight").sizes
    (6,)
    >>> slots_of(nn.LazyLinear(2), "weight")
    Traceback (most recent call last):
    sedlib.base.errors.UserError: module: 'weight', 'bias' have no size yet; run the module once on a batch, ...
    """
    lazy = [name for name, value in module.named_parameters() if isinstance(value, UninitializedParameter)]
    if lazy:
        raise UserError(
            f"module: {listed(lazy)} have no size yet; run the module once on a batch, as its lazy layers take their "
            "sizes from it"
        )
    if isinstance(slots, ParamLayout):
        return slots
    return ParamLayout.attention(module) if slots in (None, "attention") else ParamLayout.select(module, str(slots))
