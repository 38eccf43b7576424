"""Signals that stop a program, as an exception: whatever is open is closed, and what is unfinished is removed."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """One of the signals came."""

    def __init__(self, signum: int) -> None:
        self.name = signal.Signals(signum).name
        self.exit_code = 128 + signum


@contextmanager
def stoppable(seconds: float | None = None) -> Iterator[None]:
    """Each signal raises `Stopped` where the program is; a second one does not disturb the clearing up.

    A signal that is ignored, as under nohup, stays ignored. A program that has not ended after so many ``seconds`` is
    ended: an exception is lost where one is raised while Python deletes an object.
    """

    def stop(signum: int, frame: FrameType | None) -> None:
        for name in SIGNALS:
            signal.signal(name, signal.SIG_IGN)
        if seconds is not None:
            end = threading.Timer(seconds, os._exit, [128 + signum])
            end.daemon = True
            end.start()
        raise Stopped(signum)

    before = {name: signal.getsignal(name) for name in SIGNALS}
    for name, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(name, stop)
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
