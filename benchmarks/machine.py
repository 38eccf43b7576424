"""The machine that measures, in one line: python -m benchmarks.machine."""

import os

import torch

from sedlib.base.machine.processor import processor


def machine() -> str:
    """Cores, processor, instructions, memory and PyTorch; no name of the host."""
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{cores} cores of {processor()} ({capability}), {memory:.0f} GiB, PyTorch {torch.__version__}"


if __name__ == "__main__":
    print(machine())
