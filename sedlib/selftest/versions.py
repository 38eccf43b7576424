"""What the machine at hand is: processor, system and the versions of what computes."""

import os
import platform
import re

import h5py
import numpy as np
import scipy
import torch

from sedlib.base.machine.hardware import build, identity


def versions(device: torch.device) -> dict[str, str]:
    """Names and versions, as they are printed above the table and stand in its JSON."""
    found = build(device)
    threads = f"{torch.get_num_threads()} of PyTorch, {os.cpu_count()} cores"
    return {
        "device": found["device"],
        "processor": identity(torch.device("cpu"))["device"].removeprefix("cpu "),
        "threads": threads,
        "float32 products": torch.get_float32_matmul_precision(),
        "library": found["library"],
        "PyTorch": torch.__version__,
        "PyTorch's libraries": _libraries(torch.__config__.show()),
        "NumPy": f"{np.__version__} with {_blas(np)}",
        "SciPy": f"{scipy.__version__} with {_blas(scipy)}",
        "h5py": f"{h5py.__version__} with HDF5 {h5py.version.hdf5_version}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": platform.platform(),
    }


def _blas(package: object) -> str:
    """The library of BLAS that NumPy or SciPy was built with."""
    show = package.show_config(mode="dicts")  # type: ignore[attr-defined]
    blas = show.get("Build Dependencies", {}).get("blas", {})
    return f"{blas.get('name', 'no known BLAS')} {blas.get('version', '')}".strip()


def _libraries(show: str) -> str:
    """MKL, oneDNN, OpenMP, CUDA and cuDNN, as PyTorch names them where it lists its build."""
    lines = [line.strip(" -") for line in show.splitlines()]
    wanted = r"(Intel.*Math Kernel Library Version \S+|Intel.*MKL-DNN \S+|OpenMP \S+|CUDA Runtime \S+|CuDNN \S+)"
    return ", ".join(match[1] for line in lines if (match := re.match(wanted, line))) or "not listed"
