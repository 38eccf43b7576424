"""PyTorch, whose threads wait for one another a few microseconds before they give up the core.

GNU's OpenMP lets a thread that waits for another turn in a loop, for milliseconds where each thread has a core. When
other jobs take the cores, the awaited thread is not running, and the loop takes the core that this thread needs: a
training of a minute takes an hour (docs/performance.md). The library reads the number of turns when it is loaded, so
the number is set before. OMP_WAIT_POLICY and GOMP_SPINCOUNT stay as the user sets them.
"""

import os

TURNS = "1000"
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", TURNS)

import torch  # noqa: E402  after what it reads

__all__ = ["torch"]
