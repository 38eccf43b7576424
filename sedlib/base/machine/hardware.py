"""The device and the threads a stage runs on, from the environment, and the precision of its products.

Hardware is no parameter of a result.
"""

import os
import platform
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sedlib.base.errors import UserError, in_one_line, quoted
from sedlib.base.machine.loaded_torch import torch
from sedlib.base.machine.onednn_products import onednn_products
from sedlib.base.machine.processor import processor
from sedlib.base.machine.tested import require_tested

MOST_THREADS = 1024
"""Cores of the largest machines; each thread takes some megabytes, and with a million none is left."""
DEVICES = r"cpu|cuda(:[0-9]{1,2})?|mps|xpu(:[0-9]{1,2})?"
FOR_GOOD = ExitStack()
"""What holds until the process ends."""


def configure() -> torch.device:
    """Device named by ``SEDLIB_DEVICE`` (default: CUDA if there is one, else CPU), after setting the threads.

    ``SEDLIB_THREADS`` sets the number of CPU threads (default: PyTorch's, one per core). Only deterministic
    kernels are allowed from here on: the same stage on the same device with as many threads writes the same
    bytes. Products on the CPU are oneDNN's from here on where MKL's are slow.

    Raises
    ------
    UserError
        A variable does not name a device or a positive number, or the device is not there, or neither the tests nor
        ``sedlib selftest`` passed on it.
    """
    device = chosen()
    require_tested(build(device), str(device))
    return device


def chosen() -> torch.device:
    """The device as ``configure`` gives it, also where nothing was tested: for ``sedlib selftest``.

    Raises
    ------
    UserError
        A variable does not name a device or a positive number, or the device is not there.
    """
    threads = os.environ.get("SEDLIB_THREADS")
    if threads is not None:
        if not re.fullmatch(r"0*[1-9][0-9]{0,3}", threads, re.ASCII) or int(threads) > MOST_THREADS:
            raise UserError(f"SEDLIB_THREADS must be a whole number from 1 to {MOST_THREADS:,}, got {quoted(threads)}")
        torch.set_num_threads(int(threads))

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic only with this
    name = os.environ.get("SEDLIB_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch(DEVICES, name):
        raise UserError(f"SEDLIB_DEVICE must be 'cpu', 'cuda', 'cuda:N', 'mps', 'xpu' or 'xpu:N', got {quoted(name)}")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = in_one_line(str(error).splitlines()[0].partition(". ")[0])  # what follows may list all backends
        raise UserError(f"SEDLIB_DEVICE={name!r} cannot be used here: {reason}") from error
    FOR_GOOD.close()
    FOR_GOOD.enter_context(onednn_products())
    torch.set_deterministic_debug_mode("error")  # use_deterministic_algorithms would import all of inductor
    # Filling new memory would write every result twice; nothing here reads memory before it is written.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return device


def identity(device: torch.device) -> dict[str, str]:
    """What bytes depend on beside code and parameters: PyTorch, the device and the threads."""
    return {
        "torch": torch.__version__,
        "device": f"{device.type} {_processor(device)}",
        "threads": str(torch.get_num_threads()),
    }


def build(device: torch.device) -> dict[str, str]:
    """What decides, besides code, whether results are right: PyTorch, the device, the system, libraries and driver."""
    own = identity(device)
    return {
        "device": own["device"],
        "torch": own["torch"],
        "system": " ".join([platform.system(), *filter(None, [platform.mac_ver()[0]])]),
        "library": _library(device),
    }


def _processor(device: torch.device) -> str:
    if device.type in ("cuda", "xpu"):
        return str(getattr(torch, device.type).get_device_name(device))
    return f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()} {processor()}"


def _library(device: torch.device) -> str:
    """The library that multiplies matrices, with the driver where there is one."""
    if device.type == "cuda":
        kind = f"ROCm {torch.version.hip}" if torch.version.hip else f"CUDA {torch.version.cuda}"
        return f"{kind}, driver {_cuda_driver()}"
    found = re.search(r"BLAS_INFO=(\w+)", torch.__config__.show())
    return f"BLAS {found[1] if found else 'unknown'}"


def _cuda_driver() -> str:
    try:
        text = Path("/proc/driver/nvidia/version").read_text()
    except OSError:
        return "unknown"
    found = re.search(r"\d+\.\d+(\.\d+)?", text)
    return found[0] if found else "unknown"


@contextmanager
def matmul_precision(name: str) -> Iterator[None]:
    """Inside, float32 matrix products have the precision ``name`` of ``torch.set_float32_matmul_precision``."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(name)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
