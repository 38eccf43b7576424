"""PyTorch, whose threads wait for one another a few microseconds before they give up the core.

GNU's OpenMP lets a thread that waits for another turn in a loop, for milliseconds where each thread has a core. When
other jobs take the cores, the other is not running, and the loop takes the time that it needs: a training of a minute
takes an hour (docs/performance.md). The library reads the number of turns when it is loaded, so that it is set before.
Whoever sets OMP_WAIT_POLICY or GOMP_SPINCOUNT has what that says.
"""

import os

TURNS = "1000"
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", TURNS)

import torch  # noqa: E402  after what it reads

__all__ = ["torch"]
