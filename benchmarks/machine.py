"""The machine that measures, in one line: python -m benchmarks.machine."""

import os
import platform
import re
from pathlib import Path

import torch


def machine() -> str:
    """Cores, processor, instructions, memory and PyTorch; no name of the host."""
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{cores} cores of {_processor()} ({capability}), {memory:.0f} GiB, PyTorch {torch.__version__}"


def _processor() -> str:
    listed = Path("/proc/cpuinfo")
    named = re.search(r"model name\s*: (.+)", listed.read_text()) if listed.exists() else None
    return named[1].strip() if named else platform.processor() or platform.machine()


if __name__ == "__main__":
    print(machine())
