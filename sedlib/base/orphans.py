"""Ends a stage when the DVC that started it ends: its results would belong to no run, and collide with the next run's.

DVC puts its stage's name into the environment of whatever it starts. The process above all that have this name is DVC.
"""

import os
import signal
import sys
import threading
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psutil import Process

STAGE = "DVC_STAGE"
SECONDS_BETWEEN_LOOKS = 0.5
FIRST_PROCESS = 1
SECONDS_TO_END = 1.0
"""Before a program that does not end by SIGTERM is ended."""


def end_with_dvc() -> None:
    """Watch DVC from a thread, if it started this process; nothing else is watched, such as a shell under nohup."""
    if STAGE in os.environ:
        threading.Thread(target=_watch, args=[os.getppid()], daemon=True).start()


def _watch(parent: int) -> None:
    above = _up_to_dvc()
    while os.getppid() == parent and not _is_orphan(above):
        time.sleep(SECONDS_BETWEEN_LOOKS)
    with suppress(OSError, ValueError):  # nobody may be left to read it
        print(f"DVC ended, which started stage {os.environ[STAGE]}", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(SECONDS_TO_END)
    os._exit(128 + signal.SIGTERM)


def _up_to_dvc() -> "list[Process]":
    """The processes from this one up to the first that is not of its stage; between them may be a shell."""
    from psutil import Error, Process  # only here: it takes as long to import as all else that watching needs

    found = [Process()]
    with suppress(Error):
        while _is_of_the_stage(found[-1]) and (parent := found[-1].parent()):
            found.append(parent)
    return found


def _is_of_the_stage(process: "Process") -> bool:
    return process.environ().get(STAGE) == os.environ[STAGE]


def _is_orphan(above: "list[Process]") -> bool:
    """Whether one of the processes lost the parent that it had, or had lost DVC before anybody looked.

    DVC is in the session of its stage, unless the stage has one of its own. Whatever adopts orphans is in another one;
    in a container it may be the first process, and of the same.
    """
    from psutil import NoSuchProcess

    try:
        if any(process.ppid() != parent.pid for process, parent in pairwise(above)):
            return True
        session = os.getsid(0)
        dvc_is_left = os.getsid(above[-1].pid) == session and not _adopts(above[-1])
        return not dvc_is_left and session not in [process.pid for process in above]
    except (NoSuchProcess, ProcessLookupError):
        return True


def _adopts(process: "Process") -> bool:
    """Whether it is the machine's first process, and no Python program as DVC is, nor a packed `dvc`."""
    from psutil import AccessDenied

    if process.pid != FIRST_PROCESS:
        return False
    with suppress(AccessDenied):
        return not any(name in Path(process.exe()).name.lower() for name in ("python", "pypy", "dvc"))
    return False
