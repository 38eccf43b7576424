"""Scripts that are stopped by a signal, or lose the DVC that started them."""

import ctypes
import functools
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tests.clone import Clone
from tests.imports import ROOT
from tests.toy import until

SCRIPT = """
import os, pathlib, sys, time
import sedlib.base.orphans
from sedlib.base.atomic import replacing
from sedlib.base.script import clear_errors

sedlib.base.orphans.SECONDS_BETWEEN_LOOKS = 0.02
sedlib.base.orphans.FIRST_PROCESS = int(os.environ.get("FIRST_PROCESS", 1))
here = pathlib.Path(sys.argv[1])
here.mkdir(exist_ok=True)
if "late" in sys.argv:
    (here / "pid.tmp").write_text(f"{os.getpid()}")
    (here / "pid.tmp").rename(here / "pid")
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(0.01)
with clear_errors(), replacing(here / "target") as temporary:
    temporary.write_text("half")
    (here / "pid.tmp").write_text(f"{os.getpid()}")
    (here / "pid.tmp").rename(here / "pid")
    while not (here / "enough").exists():
        time.sleep(0.01)
"""
PR_SET_CHILD_SUBREAPER = 36
STARTER = "import subprocess, sys, os; subprocess.run(sys.argv[1:], env={**os.environ, 'DVC_STAGE': 'train@a'})"


@pytest.fixture
def script(tmp_path: Path) -> Path:
    (tmp_path / "script.py").write_text(SCRIPT)
    return tmp_path / "script.py"


@contextmanager
def started(*command: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """A command in a session of its own, nothing of which is left."""
    process = subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # also where the tests run under nohup
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()  # type: ignore[union-attr]


def pid_in(folder: Path) -> int:
    """Process id of the script, once it runs."""
    until((folder / "pid").exists, "the script starts")
    return int((folder / "pid").read_text())


def is_over(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    return True


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_script_with_a_line_and_leaves_nothing_unfinished(
    script: Path, tmp_path: Path, signum: signal.Signals
) -> None:
    with started(sys.executable, str(script), str(tmp_path / "here")) as process:
        os.kill(pid_in(tmp_path / "here"), signum)
        printed, _ = process.communicate()
    assert process.returncode == 128 + signum
    assert printed == f"stopped by {signum.name}: script {tmp_path / 'here'} is not finished\n"
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["pid"]


def test_a_signal_that_is_ignored_stays_ignored(script: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(script), str(tmp_path / "here")]
    with started("nohup", *command) as process:
        os.kill(pid_in(tmp_path / "here"), signal.SIGHUP)
        (tmp_path / "here/enough").touch()
        process.communicate()
    assert process.returncode == 0
    assert (tmp_path / "here/target").read_text() == "half"


def test_a_script_that_does_not_end_is_ended(tmp_path: Path) -> None:
    deaf = (
        "import pathlib, time, sedlib.base.script as script\n"
        "script.SECONDS_TO_END = 0.1\n"
        "with script.clear_errors():\n"
        "    try:\n"
        f"        pathlib.Path({str(tmp_path / 'pid')!r}).touch(); time.sleep(600)\n"
        "    finally:\n"
        "        time.sleep(600)\n"
    )
    with started(sys.executable, "-c", deaf) as process:
        until((tmp_path / "pid").exists, "it runs")
        process.terminate()
        assert process.wait() == 128 + signal.SIGTERM


@pytest.mark.parametrize("late", [[], ["late"]], ids=["", "late"])
@pytest.mark.parametrize("above", ["directly", "shell"])
def test_a_stage_ends_with_the_dvc_that_started_it(script: Path, tmp_path: Path, above: str, late: list[str]) -> None:
    """Also if that was gone before the stage looked, as importing takes a while."""
    command = [sys.executable, str(script), str(tmp_path / "here"), *late]
    if above == "shell":
        command = ["sh", "-c", f"{' '.join(command)}; exit $?"]
    with started(sys.executable, "-c", STARTER, *command) as dvc:
        pid = pid_in(tmp_path / "here")
        if late and above == "shell":
            os.kill(psutil.Process(pid).ppid(), signal.SIGKILL)
        dvc.kill()
        until(lambda: is_over(pid), "the stage ends")
    assert not (tmp_path / "here/target").exists()
    assert not [path for path in (tmp_path / "here").iterdir() if path.name != "pid"]


@pytest.mark.skipif(sys.platform != "linux", reason="a process that is not the first adopts others on Linux alone")
def test_a_stage_ends_where_the_first_process_of_a_container_is_of_its_session(script: Path, tmp_path: Path) -> None:
    adopts_orphans = functools.partial(ctypes.CDLL(None).prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    dvc = [sys.executable, "-c", STARTER, sys.executable, str(script), str(tmp_path / "here"), "late"]
    first = ["sh", "-c", 'FIRST_PROCESS=$$ "$@" & exec sleep 600', "sh", *dvc]
    container = subprocess.Popen(first, preexec_fn=adopts_orphans)
    try:
        pid = pid_in(tmp_path / "here")
        os.kill(psutil.Process(pid).ppid(), signal.SIGKILL)
        until(lambda: is_over(pid), "the stage ends")
    finally:
        container.kill()
        container.wait()


def test_a_script_under_another_program_does_not_end_with_it(script: Path, tmp_path: Path) -> None:
    with started("sh", "-c", f"{sys.executable} {script} {tmp_path / 'here'}; exit $?") as shell:
        pid = pid_in(tmp_path / "here")
        shell.kill()
        until(lambda: psutil.Process(pid).ppid() != shell.pid, "it has lost its parent")
        (tmp_path / "here/enough").touch()
        until((tmp_path / "here/target").exists, "the script finishes")


@pytest.fixture
def repository(script: Path, tmp_path: Path) -> Clone:
    """One whose stage is the script."""
    clone = Clone(tmp_path / "repository")
    clone.folder.mkdir()
    command = f"{sys.executable} {script} {tmp_path / 'here'}"
    (clone.folder / "dvc.yaml").write_text(f"stages: {{long: {{cmd: {command}, outs: [out]}}}}")
    for command_ in (["git", "init", "-q"], ["dvc", "init", "-q"]):
        assert clone.call(*command_).returncode == 0
    clone.commit()
    return clone


@pytest.mark.parametrize("command", [["repro"], ["exp", "run", "--temp"]], ids=" ".join)
def test_a_stage_ends_with_a_real_dvc(repository: Clone, tmp_path: Path, command: list[str]) -> None:
    """In a session of its own, as a shell gives it: where the tests run, a Python program may be the first process."""
    environment = {**repository.environment(), "PYTHONPATH": str(ROOT)}
    dvc = subprocess.Popen(
        ["dvc", *command],
        cwd=repository.folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    pid = pid_in(tmp_path / "here")
    dvc.kill()
    dvc.wait()
    until(lambda: is_over(pid), "the stage ends")
