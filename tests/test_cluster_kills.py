"""Signals, and workers, schedulers and clients that are killed: nothing is lost, and no process is left."""

import os
import random
import shutil
import signal
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.external import cluster, worker_above
from tests.kills import play
from tests.test_cluster import fresh, template, up_to_date
from tests.toy import Toy, until

pytestmark = pytest.mark.slow

__all__ = ["fresh", "template"]


def lock_of_serial_repro(fresh: Toy) -> str:
    shutil.copytree(fresh.folder.parent, fresh.folder.parent.parent / "serial/toy")
    serial = Toy(fresh.folder.parent.parent / "serial/toy/toy")
    assert serial.call("dvc", "repro").returncode == 0
    return (serial.folder / "dvc.lock").read_text()


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_killed_when_the_next_call_gets_serial_repros_lock(fresh: Toy, seed: int) -> None:
    play(fresh, [], lock_of_serial_repro(fresh), random.Random(seed), longest=8.0)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_every_process_and_plain_repro_goes_on(fresh: Toy, signum: signal.Signals) -> None:
    fresh.let("left", "waits")
    client = fresh.start("repro", "--workers", "2")
    fresh.wait_for("left")
    fresh.wait_for("right")
    os.killpg(client.pid, signum)
    printed, _ = client.communicate()
    assert client.returncode == 128 + signum, printed
    assert "stopped; finished stages are kept" in printed
    assert "Traceback" not in printed
    assert not fresh.processes()
    assert not list((fresh.folder / ".dvc/tmp/sedlib").glob("run-*"))
    fresh.let("left", "waits", False)
    fresh.ran()
    assert fresh.call("dvc", "repro").returncode == 0
    assert "left" in fresh.ran()
    assert up_to_date(fresh)


def test_what_is_finished_when_a_signal_comes_is_in_the_workspace_and_its_lock(fresh: Toy) -> None:
    fresh.let("both", "waits")
    client = fresh.start("repro", "--workers", "2")
    fresh.wait_for("both")
    until(lambda: fresh.kept() == 3, "all that both does not hold up is finished")
    os.killpg(client.pid, signal.SIGTERM)
    printed, _ = client.communicate()
    assert client.returncode == 128 + signal.SIGTERM, printed
    lock = YAML(typ="safe").load((fresh.folder / "dvc.lock").read_text())["stages"]
    assert {"half@left", "half@right"} <= set(lock)
    assert all((fresh.folder / out["path"]).exists() for stage in lock.values() for out in stage["outs"])
    fresh.let("both", "waits", False)
    fresh.ran()
    assert fresh.call("dvc", "repro").returncode == 0
    assert fresh.ran() == ["both"]


def test_a_stage_of_a_killed_worker_runs_elsewhere_and_finished_ones_are_kept(fresh: Toy) -> None:
    fresh.let("both", "waits")
    client = fresh.start("repro", "--workers", "2")
    inner = fresh.wait_for("both")
    os.kill(worker_above(inner), signal.SIGKILL)
    until(lambda: inner not in fresh.processes(), "the stage ends with its worker")
    fresh.wait_for("both")
    fresh.let("both", "waits", False)
    printed, _ = client.communicate()
    assert client.returncode == 0, printed
    assert fresh.ran() == ["alone", "both", "both", "left", "right"]


def test_a_killed_client_takes_its_workers_and_stages_with_it(fresh: Toy) -> None:
    fresh.let("both", "waits")
    client = fresh.start("repro", "--workers", "2")
    fresh.wait_for("both")
    until(lambda: fresh.kept() == 3, "all that both does not hold up is finished")
    client.kill()
    client.communicate()
    until(lambda: not fresh.processes(), "nothing is left")
    fresh.let("both", "waits", False)
    fresh.ran()
    fresh.run("repro", "--workers", "2")
    assert fresh.ran() == ["both"]  # the others were finished


def test_stages_on_a_cluster_end_with_their_client_and_the_cluster_stays(fresh: Toy, tmp_path: Path) -> None:
    with cluster(fresh, tmp_path / "cluster") as found:
        fresh.let("left", "waits")
        client = fresh.start("repro", "--scheduler", found.address)
        inner = fresh.wait_for("left")
        client.kill()
        client.communicate()
        until(lambda: inner not in fresh.processes(), "the stage ends")
        fresh.let("left", "waits", False)
        fresh.ran()
        fresh.run("repro", "--scheduler", found.address)
        assert up_to_date(fresh)

        fresh.let("left", "waits")
        (fresh.folder / "params.yaml").write_text("value: 2\n")
        client = fresh.start("repro", "--scheduler", found.address)
        inner = fresh.wait_for("left")
        found.scheduler.kill()
        printed, _ = client.communicate()
        assert client.returncode == 1
        assert "error: the Dask scheduler was lost" in printed
        until(lambda: inner not in fresh.processes(), "the stage ends")
    fresh.let("left", "waits", False)
    fresh.run("repro", "--workers", "2")
    assert "left 2" in fresh.content()


def test_no_scheduler_is_named(fresh: Toy) -> None:
    soon = {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "1s"}
    text = fresh.run("repro", "--scheduler", "tcp://127.0.0.1:9", code=1, **soon)
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in text
    assert fresh.ran() == []


def test_a_worker_with_another_version_is_refused_naming_both(fresh: Toy, tmp_path: Path) -> None:
    other = tmp_path / "other/numpy-0.0.0.dist-info/METADATA"
    other.parent.mkdir(parents=True)
    other.write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 0.0.0\n")
    with cluster(fresh, tmp_path / "cluster", workers=1, PYTHONPATH=str(tmp_path / "other")) as found:
        text = fresh.run("repro", "--scheduler", found.address, code=1)
    import numpy

    assert f"has numpy 0.0.0, here it is {numpy.__version__}" in text
    assert fresh.ran() == []


UNSHARED = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none "$TOY/.." && exec "$@"', "worker"]


@pytest.mark.skipif(
    os.getuid() != 0, reason="hides the workspace from the workers by a mount, for which only root may ask"
)
def test_workers_that_share_no_file_system_go_through_a_remote(fresh: Toy, tmp_path: Path) -> None:
    serial = lock_of_serial_repro(fresh)
    if fresh.call(*UNSHARED, "true").returncode:
        pytest.skip("hides the workspace by a mount, which this machine lets nobody do")
    hidden = fresh.steering
    with cluster(fresh, tmp_path / "cluster", wrapped=UNSHARED) as found:
        text = fresh.run("repro", "--scheduler", found.address, code=1)
        assert "there is none: run `dvc remote add -d NAME URL`" in text
        fresh.call("dvc", "remote", "add", "-d", "shared", str(tmp_path / "remote"))
        text = fresh.run("repro", "--scheduler", found.address)
        assert (fresh.folder / "dvc.lock").read_text() == serial
        assert up_to_date(fresh)
        assert not list((fresh.folder / ".dvc/tmp/sedlib").glob("run-*"))
    assert not (hidden / "ran").exists()  # where nobody sees what they do
