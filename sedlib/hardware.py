"""The device and the threads a stage runs on, from the environment: hardware is no parameter of a result."""

import os
import re

import torch

from sedlib.errors import UserError


def configure() -> torch.device:
    """Device named by ``SEDLIB_DEVICE`` (default: CUDA if there is one, else CPU), after setting the threads.

    ``SEDLIB_THREADS`` sets the number of CPU threads (default: PyTorch's, one per core). Only deterministic
    kernels are allowed from here on: the same stage on the same device with as many threads writes the same
    bytes.

    Raises
    ------
    UserError
        A variable does not name a device or a positive number, or the device is not there.
    """
    threads = os.environ.get("SEDLIB_THREADS")
    if threads is not None:
        if not threads.isdecimal() or int(threads) < 1:
            raise UserError(f"SEDLIB_THREADS must be a positive whole number, got {threads!r}")
        torch.set_num_threads(int(threads))

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic only with this
    name = os.environ.get("SEDLIB_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise UserError(f"SEDLIB_DEVICE must be 'cpu', 'cuda' or 'cuda:N', got {name!r}")
    device = torch.device(name)
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"SEDLIB_DEVICE={name!r} cannot be used here: {str(error).splitlines()[0]}") from error
    torch.use_deterministic_algorithms(True)
    return device
