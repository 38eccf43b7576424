"""The state in which a module is measured: eval, full precision, differentiable; and back to how it was.

Dropout, batch statistics and autocast change what a network computes: a coupling ratio by factors of 2 to 1,000.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.backends import mha

from sedlib.models.full_precision import full_precision


@contextmanager
def measuring(module: nn.Module) -> Iterator[None]:
    """``module`` in eval inside, each submodule in the mode that it had after it, also after an error.

    PyTorch's fused encoder layer, which it takes in eval, is off: it has no derivative in forward mode.

    Examples
    --------
    >>> import torch
    >>> dropout = nn.Dropout(0.5)
    >>> with measuring(dropout):
    ...     dropout(torch.ones(3))
    tensor([1., 1., 1.])
    >>> dropout.training
    True
    """
    modes, fused = [(submodule, submodule.training) for submodule in module.modules()], mha.get_fastpath_enabled()
    try:
        for submodule, _ in modes:
            submodule.training = False
        mha.set_fastpath_enabled(False)
        with full_precision():
            yield
    finally:
        mha.set_fastpath_enabled(fused)
        for submodule, mode in modes:
            submodule.training = mode
