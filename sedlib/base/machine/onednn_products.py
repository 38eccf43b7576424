"""Products of matrices by oneDNN in place of MKL, which uses half the width of a processor that is not Intel's.

On an AMD processor that adds 512 bits at a time (Zen 5) MKL multiplies at 100 GFLOP/s a core and oneDNN at 200; on one
that takes two turns (Zen 4) both are as fast (docs/performance.md). Each adds the same products in an order of its own,
so that results differ by rounding.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor
from torch.types import Number

from sedlib.base.machine.loaded_torch import torch
from sedlib.base.machine.processor import vendor

WIDE = "AVX512"
"""What the processor must have: in its narrower instructions both libraries are as fast."""
FEWEST, THINNEST = 2**20, 32
"""Multiplications, and rows, columns and terms of a sum, from which oneDNN is the faster one (docs/performance.md)."""


@contextmanager
def onednn_products() -> Iterator[None]:
    """Inside, PyTorch multiplies float32 matrices on the CPU by oneDNN, where it has it and the processor is wide.

    This holds for derivatives too: PyTorch's own kernels of ``mm`` and ``addmm`` are replaced below autograd. On
    leaving, also by an error, PyTorch's own kernels are back.
    """
    if not is_faster():
        yield
        return
    kernels = torch.library.Library("aten", "IMPL")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"(?s).*Overriding a previously registered kernel")
        kernels.impl("mm", _mm, "CPU")
        kernels.impl("addmm", _addmm, "CPU")
    try:
        yield
    finally:
        del kernels  # PyTorch's kernels come back with the end of the library


def is_faster() -> bool:
    """Whether this PyTorch has both libraries, and this processor instructions that MKL leaves to Intel's alone."""
    both = torch.backends.mkldnn.is_available() and torch.backends.mkl.is_available()
    has = both and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    on_linux_not_intel = vendor() not in (None, "GenuineIntel")  # elsewhere nothing was timed
    return has and torch.backends.cpu.get_cpu_capability() == WIDE and on_linux_not_intel


def _mm(first: Tensor, second: Tensor) -> Tensor:
    if _is_taken(first, second):
        return _linear(first, second, None)
    return torch.ops.aten.mm.out(first, second, out=first.new_empty(0))


def _addmm(added: Tensor, first: Tensor, second: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    if beta == alpha == 1 and added.shape == second.shape[1:] and _is_taken(first, second, added):
        return _linear(first, second, added)
    return torch.ops.aten.addmm.out(added, first, second, beta=beta, alpha=alpha, out=first.new_empty(0))


def _linear(first: Tensor, second: Tensor, bias: Tensor | None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(first, second.t(), bias, "none", [], "")


def _is_taken(first: Tensor, second: Tensor, *others: Tensor) -> bool:
    """Whether oneDNN takes them, and is faster: float32, of shapes that fit, large, and with a dense second factor.

    PyTorch refuses shapes that do not fit with a reason. A second factor that is not dense, such as the expanded zero
    of a forward derivative, would be multiplied by a reference kernel of oneDNN's, a thousand times as slow.
    """
    fit = first.ndim == second.ndim == 2 and first.shape[1] == len(second)
    large = fit and first.numel() * second.shape[1] >= FEWEST and min(*first.shape, *second.shape) >= THINNEST
    dense = second.is_contiguous() or second.t().is_contiguous()
    return large and dense and all(each.dtype == torch.float32 for each in (first, second, *others))
