"""Fork a process for each command that a shim asks for, with everything imported that is not sedlib's own."""

import atexit
import gc
import importlib
import json
import os
import resource
import runpy
import select
import signal
import socket
import sys
import threading
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

PRELOADED = (
    *("configobj", "filelock", "h5py", "jaxtyping", "jinja2", "matplotlib.figure", "networkx", "pandas", "psutil"),
    *("pydantic", "ruamel.yaml", "scipy.stats", "scmrepo.git", "torch"),
    *("dvc.cli", "dvc.commands.repro", "dvc.dependency.param", "dvc.repo.experiments", "dvc.stage.cache", "dvc_render"),
)
"""What stages, DVC and the command line import; nothing that starts a thread."""
TURNS = {"GOMP_SPINCOUNT": "1000"}
"""As sedlib sets it before it imports PyTorch (sedlib/base/machine/loaded_torch.py)."""
DECIDES = ("LANG", "LC_", "PYTHON", "OMP_", "GOMP_", "MKL_", "HDF5_", "MPL", "LD_")
"""Beginnings of variables that are read while Python or a library starts."""


def main(path: str) -> dict[str, Any]:
    """Serve until the parent ends; returns in each forked process, with what it is to run."""
    import_all()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen(64)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        print("listens", flush=True)
        while True:
            readable, _, _ = select.select([listening, sys.stdin], [], [])
            if listening not in readable:
                sys.exit()  # the parent has ended
            connection, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                return answer(connection)
            connection.close()


def import_all() -> None:
    os.environ.update(TURNS)
    for name in PRELOADED:
        importlib.import_module(name)
    importlib.import_module("torch").set_num_threads(1)
    assert not [name for name in sys.modules if name.partition(".")[0] == "sedlib"]
    gc.freeze()  # a fork that looked at every object would copy all of them


def answer(connection: socket.socket) -> dict[str, Any]:
    """Wait for the process that runs the command, and say how it ended; returns in that process."""
    length, streams, _, _ = socket.recv_fds(connection, 8, 3)
    wanted = json.loads(connection.makefile("rb").read(int.from_bytes(length, "big")))
    if differs(wanted["environment"]):
        connection.sendall(b"\n")
        os._exit(0)
    if (child := os.fork()) == 0:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        connection.close()
        return wanted
    for stream in streams:
        os.close(stream)
    ended = os.pidfd_open(child)
    awaited: list[Any] = [ended, connection]
    readable, _, _ = select.select(awaited, [], [])
    if ended not in readable:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)  # who asked has gone
    _, status = os.waitpid(child, 0)
    with suppress(OSError):
        connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def differs(environment: dict[str, str]) -> bool:
    """Whether Python or a library would have started in another way."""
    environment = {**TURNS, **environment}
    names = {name for name in {*environment, *os.environ} if name.startswith(DECIDES) and name != "PYTHONPATH"}
    return any(environment.get(name) != os.environ.get(name) for name in names)


def become(wanted: dict[str, Any]) -> None:
    """Take over what a process has from its parent."""
    os.environ.clear()
    os.environ.update(wanted["environment"])
    os.chdir(wanted["cwd"])
    os.umask(wanted["umask"])
    for limit, values in wanted["limits"].items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{limit}"), values)
    sys.argv = wanted["argv"]
    script = Path(sys.argv[0]).absolute()
    if script.suffix == ".py":
        importlib.import_module("colorama").deinit()  # DVC has streams of its own, which write at once; a stage has not
    paths = wanted["environment"].get("PYTHONPATH", "")
    sys.path[:0] = [str(script.parent), *filter(None, paths.split(os.pathsep))]


def run(script: str) -> None:
    """Run a script as Python does, but for the end of the interpreter, which would take all modules apart."""
    code: object = 0
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as exit:
        code = exit.code
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, as the end of a process does
    atexit._run_exitfuncs()
    if not isinstance(code, int | None):
        print(code, file=sys.stderr)
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code or 0)


if __name__ == "__main__":
    task = main(sys.argv[1])
    become(task)
    run(task["argv"][0])
