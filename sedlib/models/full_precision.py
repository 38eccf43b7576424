"""Autocast, no_grad and inference mode off: what is measured is differentiated, in the precision that it comes in."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

AUTOCAST_DEVICES = ("cpu", "cuda", "mps", "xpu")


@contextmanager
def full_precision() -> Iterator[None]:
    """Without autocast, and with derivatives, whatever holds around it.

    Examples
    --------
    >>> with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16), full_precision():
    ...     (torch.ones(1, 1, requires_grad=True) @ torch.ones(1, 1)).dtype, torch.is_grad_enabled()
    (torch.float32, True)
    """
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for device in AUTOCAST_DEVICES:
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        yield
