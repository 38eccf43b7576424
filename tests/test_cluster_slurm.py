"""The documented file on a real Slurm of one node: Debian's slurm-wlm and munge."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.imports import ROOT
from tests.test_cluster import fresh, template, up_to_date
from tests.test_sharing import free_port
from tests.toy import STAGES, Toy, until

pytestmark = pytest.mark.slow

__all__ = ["fresh", "template"]

CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={daemon}
SlurmUser=root
AuthInfo=socket={folder}/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=1000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES State=UP
"""


@pytest.fixture
def slurm(tmp_path: Path) -> Iterator[dict[str, str]]:
    """What a command needs in its environment to find it."""
    if os.getuid() != 0 or not all(map(shutil.which, ["munged", "slurmctld", "slurmd"])):
        pytest.skip("needs root, slurm-wlm and munge")
    folder = Path("/run/sedlib-slurm") / str(os.getpid())  # munge wants no folder above it that others may write to
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    host = socket.gethostname().split(".")[0]
    text = CONFIGURATION.format(host=host, folder=folder, controller=free_port(), daemon=free_port())
    (folder / "slurm.conf").write_text(text)
    (folder / "key").write_bytes(os.urandom(64))
    (folder / "key").chmod(0o400)
    variables = {"SLURM_CONF": str(folder / "slurm.conf")}
    files = [f"--{name}-file={folder}/munge.{name}" for name in ("pid", "log", "seed")]
    with ExitStack() as stack:
        for command in (
            ["munged", "--foreground", "--force", f"--socket={folder}/munge", f"--key-file={folder}/key", *files],
            ["slurmctld", "-D"],
            ["slurmd", "-D", "-N", host],
        ):
            log = stack.enter_context((folder / f"{command[0]}.out").open("wb"))
            process = subprocess.Popen(command, env={**os.environ, **variables}, stdout=log, stderr=log)
            stack.callback(process.wait)
            stack.callback(process.terminate)
            if command[0] == "munged":
                until(lambda: (folder / "munge").exists(), "munged answers")
        state = ["sinfo", "--noheader", "--format=%T"]
        environment = {**os.environ, **variables}
        until(
            lambda: subprocess.run(state, env=environment, capture_output=True, text=True).stdout.strip() == "idle",
            "the node is idle",
        )
        yield variables
    shutil.rmtree(folder)


def test_the_documented_file_runs_stages_as_slurm_jobs(fresh: Toy, slurm: dict[str, str], tmp_path: Path) -> None:
    text = (ROOT / "docs/cluster/slurm.yaml").read_text()
    file = tmp_path / "slurm.yaml"
    file.write_text(text.replace("workers: 12", "workers: 2").replace("memory: 4GB", "memory: 400MB"))
    printed = fresh.run("repro", "--cluster", str(file), code=0, **slurm)
    assert fresh.ran() == STAGES
    assert up_to_date(fresh)
    assert "done     both" in printed
    jobs = ["squeue", "--noheader", "--states=RUNNING,PENDING"]
    until(lambda: not fresh.call(*jobs, **slurm).stdout, "no job is left")
