"""Processes of tests that start in milliseconds: forked from one that has imported PyTorch and DVC.

``python STAGE``, ``dvc`` and ``sedlib``, called in a clone of the tests, spend most of their time on imports. Here they
are small programs (shim.py) that hand arguments, environment, limits, working directory and standard streams to a
process that has no module of sedlib (server.py). It forks, and the fork runs the same script. What is to be killed,
stopped or put into a namespace is started as users start it.
"""

import atexit
import functools
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

NAMES = ("python", "dvc", "sedlib")
WARM, SOCKET = "SEDLIB_TESTS_WARM", "socket"
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
"""That of the session; the test that asks first may have changed it for itself."""


@functools.cache
def shims() -> Path:
    """Folder with the small programs of these commands; the process that forks ends with this one."""
    folder = Path(tempfile.mkdtemp(prefix="warm-"))
    shim = [sys.executable, "-ISE", str(Path(__file__).parent / "shim.py")]
    for name in NAMES:
        (folder / name).write_text(f'#!/bin/sh\nexec {shlex.join([*shim, name])} "$@"\n')
        (folder / name).chmod(0o755)
    server = subprocess.Popen(
        [sys.executable, "-P", str(Path(__file__).parent / "server.py"), str(folder / SOCKET)],
        env={**ENVIRONMENT, "SEDLIB_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd="/",
    )
    atexit.register(shutil.rmtree, folder)
    atexit.register(server.kill)
    assert server.stdout
    server.stdout.readline()  # it listens
    return folder


def warmed(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment in which these commands start from the process that has the imports; the same elsewhere."""
    if sys.platform != "linux":
        return dict(environment)
    path = os.pathsep.join([str(shims()), environment["PATH"]])
    return {**environment, "PATH": path, WARM: str(shims() / SOCKET)}
