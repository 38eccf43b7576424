"""Looks at an HDF5 file in a process of its own first.

HDF5 is a library in C and checks little of what it reads: bytes that were made for it can make it crash, or run for
ever, where no exception reaches us. Then it is that process which ends, and the file is refused.
"""

import os
import signal
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

import h5py

from sedlib.base.hdf5.closed import listing
from sedlib.base.stops import SIGNALS

SECONDS = 60.0
"""Of a rehearsal, at most; a sound file takes some thousandths."""


def crash(path: Path) -> str | None:
    """What becomes of HDF5 at the file at ``path``; None where it survives, whether it can read the file or not."""
    if not hasattr(os, "fork"):
        return None
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # else one could reach two processes as an exception
    try:
        child = _fork()
        if child == 0:
            _rehearse(path, before)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    try:
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    except BaseException:  # the stage is stopped meanwhile
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise
    if code >= 0:
        return None
    return "runs for ever" if code == -signal.SIGALRM else f"crashes ({signal.Signals(-code).name})"


def _fork() -> int:
    with warnings.catch_warnings():
        # Python warns of other threads: what they hold, the child would wait for. None of ours uses HDF5.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _rehearse(path: Path, mask: Iterable[int]) -> NoReturn:
    """Go where a reader goes, and end; errors are for the reader to tell."""
    try:
        for name in (*SIGNALS, signal.SIGALRM):
            signal.signal(name, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        with h5py.File(path, "r") as file:
            datasets = listing(file)
            for node in (file, *datasets.values()):
                dict(node.attrs)
            for dataset in datasets.values():
                for corner in (0, -1):
                    dataset[(corner,) * dataset.ndim]
    finally:
        os._exit(0)
