"""A command in a process group of its own that ends, with all that it started, when the process that wanted it does."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any


@contextmanager
def guarded(command: Sequence[str], grace: float = 0, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Start ``command``; nothing of it is left on leaving, nor when this process is killed.

    Parameters
    ----------
    grace
        Seconds that it has to end after SIGINT, before SIGKILL.
    options
        For `subprocess.Popen`.
    """
    lifeline, held = os.pipe()  # this process alone holds the writing end, which closes with it
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, str(lifeline), *command],
            pass_fds=[lifeline],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            **options,
        )
    finally:
        os.close(lifeline)
    try:
        yield process
    finally:
        if process.poll() is None and grace:
            os.killpg(process.pid, signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(grace)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(held)


def main(lifeline: int, command: Sequence[str]) -> int:
    """Run ``command`` in this process's group; its exit code."""
    signal.signal(signal.SIGINT, lambda *_: None)  # for the command, which gets it too
    threading.Thread(target=_die_with, args=(lifeline,), daemon=True).start()
    return subprocess.call(command)


def _die_with(lifeline: int) -> None:
    os.read(lifeline, 1)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
