"""The parts of parallel running that need no repository: the view, the order of stages, GPUs, versions, the guard."""

import io
import os
import pickle
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import create_autospec

import dask
import pytest
from distributed import Client, LocalCluster, Scheduler, SpecCluster, Worker, get_worker
from dvc.repo import Repo
from rich.console import Console

from benchmarks import scale
from sedlib.base.errors import UserError
from sedlib.cli import main
from sedlib.cluster import engine
from sedlib.cluster.clusters import Workers, connected
from sedlib.cluster.engine import chains, execute
from sedlib.cluster.plan.jobs import Cost, Job, Settled, StageFailed, Task
from sedlib.cluster.plan.planning import in_order
from sedlib.cluster.plan.preview import RUN, Step, as_text
from sedlib.cluster.run_cache import clear_unfinished
from sedlib.cluster.stage_runs import DAMAGED, KEPT, TABLE, StageRun, keep, known, read, record, start
from sedlib.cluster.view import View
from sedlib.cluster.worker import work
from sedlib.cluster.worker.guard import guarded
from sedlib.cluster.worker.workers import OneStageAtATime, prepare, refuse_versions
from tests.imports import ROOT
from tests.toy import until


def task(name: str, *needs: str, on_device: bool = False) -> Task:
    return Task(name, "dvc.yaml", name, name, needs, on_device=on_device)


def job(wanted: Task) -> Job:
    return Job(wanted, "none", ".", {}, "run", False, {})


def test_longest_chains_come_first() -> None:
    tasks = [task("a"), task("b", "a"), task("c", "b", "a"), task("d"), task("e", "d")]
    assert chains(tasks) == {"a": 2, "b": 1, "c": 0, "d": 1, "e": 0}


def ignored(done: Settled) -> None:
    """Who hears of a stage that is done."""


def where(job: Job, bundle: bytes, *upstream: Settled) -> Settled:
    if job.task.stage == "fails":
        raise ValueError("no such thing")
    return Settled("dvc.yaml", str(get_worker().name), {}, restored=False)


@pytest.mark.parametrize("with_gpu", [0, 1])
def test_device_stages_go_to_gpus_and_only_what_needs_a_failed_stage_is_skipped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], with_gpu: int
) -> None:
    monkeypatch.setattr(engine, "run_stage", where)
    tasks = [task("fails"), task("next", "fails"), task("last", "next")]
    tasks += [task(f"device-{number}", on_device=True) for number in range(6)] + [task("after", "device-1")]
    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as client,
    ):
        cluster.scale(2)
        client.wait_for_workers(2)
        address, gpu = sorted(client.scheduler_info(n_workers=-1)["workers"].items())[with_gpu]
        client.run(give_gpu, workers=[address])
        client.register_plugin(OneStageAtATime())
        view = View({item.key: item.stage for item in tasks}, "")
        outcome = execute(client, [job(item) for item in tasks], {"none": b""}, view, ignored)
    assert {outcome.done[f"device-{number}"].name for number in range(6)} == {str(gpu["name"])}
    assert outcome.failed["fails"].reason == "ValueError: no such thing"
    assert sorted(outcome.skipped) == ["last", "next"]
    assert "after" in outcome.done
    assert "failed   fails: ValueError: no such thing" in capsys.readouterr().err


def test_a_stage_that_others_wait_for_overtakes_those_that_could_start_earlier(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ran = tmp_path / "ran"

    def noted(job: Job, bundle: bytes, *upstream: Settled) -> Settled:
        with ran.open("a") as file:
            file.write(f"{job.task.stage} ")
        return where(job, bundle)

    monkeypatch.setattr(engine, "run_stage", noted)
    tasks = [task("a1"), task("b1"), task("c1"), task("a2", "a1"), task("b2", "b1"), task("a3", "a2")]
    view = View({item.key: item.stage for item in tasks}, "")
    with (
        LocalCluster(n_workers=1, processes=False, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as client,
    ):
        client.register_plugin(OneStageAtATime())
        execute(client, [job(item) for item in tasks], {"none": b""}, view, ignored)
    assert ran.read_text().split() == ["a1", "b1", "a2", "c1", "b2", "a3"]


def test_device_stages_fill_all_workers_where_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def together(job: Job, bundle: bytes, *upstream: Settled) -> Settled:
        (tmp_path / job.task.stage).touch()
        until(lambda: len(list(tmp_path.iterdir())) >= 3, "all three run at once")
        return where(job, bundle)

    monkeypatch.setattr(engine, "run_stage", together)
    tasks = [task("a", on_device=True), task("b", on_device=True), task("c")]
    view = View({item.key: item.stage for item in tasks}, "")
    with (
        LocalCluster(n_workers=3, threads_per_worker=4, processes=False, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as client,
    ):
        client.register_plugin(OneStageAtATime())
        outcome = execute(client, [job(item) for item in tasks], {"none": b""}, view, ignored)
    assert len({settled.name for settled in outcome.done.values()}) == 3


def test_a_large_repository_is_sent_without_advice_to_load_it_elsewhere(
    monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setattr(engine, "run_stage", where)
    with (
        LocalCluster(n_workers=1, processes=False, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as client,
    ):
        client.register_plugin(OneStageAtATime())
        outcome = execute(client, [job(task("a"))], {"none": bytes(11_000_000)}, View({"a": "a"}, ""), ignored)
    assert outcome.done
    assert not [warning for warning in recwarn if "large graph" in str(warning.message)]


def hungry(job: Job, bundle: bytes, *upstream: Settled) -> Settled:
    """Takes 500 MiB, or more than any worker has."""
    limit = get_worker().memory_manager.memory_limit or 0
    if limit < 500 * 2**20 or job.task.stage == "too much":
        raise StageFailed(job.task.stage, f"took more than {limit}", memory=limit)
    return where(job, bundle)


def test_a_stage_that_lacked_memory_gets_a_second_try_where_a_worker_has_more(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(engine, "run_stage", hungry)
    tasks = [task("a"), task("b"), task("too much")]
    limits = {"small": "300MiB", "large": "600MiB"}
    scheduler = {"cls": Scheduler, "options": {"dashboard_address": "127.0.0.1:0"}}
    workers = {name: {"cls": Worker, "options": {"memory_limit": limit}} for name, limit in limits.items()}
    view = View({item.key: item.stage for item in tasks}, "")
    with (  # Dask measures the whole process of these tests, and a worker that has less would start nothing
        dask.config.set({f"distributed.worker.memory.{at}": False for at in ("target", "spill", "pause")}),
        SpecCluster(workers, scheduler) as cluster,
        Client(cluster) as client,
    ):
        client.wait_for_workers(2)
        client.register_plugin(OneStageAtATime())
        outcome = execute(client, [job(item) for item in tasks], {"none": b""}, view, ignored)
    assert {settled.name for settled in outcome.done.values()} == {"large"}
    assert len(outcome.done) == 2
    assert outcome.failed["too much"].memory == 600 * 2**20
    assert f"took more than {300 * 2**20}; another has more" in capsys.readouterr().err


def test_played_workers_are_busy_and_stages_wait_for_what_they_need() -> None:
    assert scale.needs()["coupling"] == ["bases", "dump"]
    command = [sys.executable, "-m", "benchmarks.scale", "--runs", "40", "--workers", "10"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    (stages, hours, share), *_ = re.findall(r"^\| 40 \| (\d+) \| ([\d.]+) \| ([\d.]+)% \|", printed, re.MULTILINE)
    assert int(stages) == 40 * len(scale.SECONDS)
    assert float(share) > 90
    assert float(hours) > 40 * sum(scale.SECONDS.values()) / 10 / 3600 - 0.01  # nothing was left out


def test_a_worker_that_is_there_never_counts_as_gone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """However often Dask's own polls of the scheduler come between."""

    def slow(job: Job, bundle: bytes, *upstream: Settled) -> Settled:
        with (tmp_path / "ran").open("a") as file:
            file.write(f"{job.task.stage} ")
        time.sleep(2)
        return where(job, bundle)

    monkeypatch.setattr(engine, "run_stage", slow)
    monkeypatch.setattr(engine, "SECONDS_BETWEEN_LOOKS", 0.001)
    view = View({"a": "a"}, "")
    with (
        dask.config.set({"distributed.client.scheduler-info-interval": "1ms"}),
        LocalCluster(n_workers=1, processes=False, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as client,
    ):
        client.register_plugin(OneStageAtATime())
        execute(client, [job(task("a"))], {"none": b""}, view, ignored)
    assert (tmp_path / "ran").read_text().split() == ["a"]


def test_the_processes_of_a_local_cluster_seldom_look_at_themselves(tmp_path: Path) -> None:
    def callbacks(dask_worker: Worker) -> dict[str, float]:
        return {name: callback.callback_time for name, callback in dask_worker.periodic_callbacks.items()}

    with connected(Workers(count=1), tmp_path) as client:
        (found,) = client.run(callbacks).values()
    assert "profile" not in found
    assert min(found.values()) >= 500  # milliseconds


async def give_gpu(dask_worker: Any) -> None:
    await dask_worker.set_resources(GPU=1)


def test_a_job_without_a_shared_folder_needs_a_remote(tmp_path: Path) -> None:
    with (
        LocalCluster(n_workers=1, processes=False, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as client,
    ):
        assert prepare(client, str(tmp_path)) is False
        assert prepare(client, str(tmp_path / "elsewhere")) is True


def test_versions_that_differ_are_named() -> None:
    refuse_versions({"Python": "3.11.7"}, {"tcp://a": {"Python": "3.11.7"}})
    with pytest.raises(UserError, match=r"tcp://a has Python 3\.12\.0, here it is 3\.11\.7"):
        refuse_versions({"Python": "3.11.7"}, {"tcp://a": {"Python": "3.12.0"}})


def test_the_table_shows_steps_failures_and_sums() -> None:
    view = View({"a": "train@a", "b": "train@b", "c": "dump@a"}, "http://dashboard")
    view.heard("a", "")
    view.heard("a", "train a: 50/320 step 1225 accuracy 71%")
    view.heard("b", "")
    view.ended("b", "failed", "exit code 3")
    view.heard("b", "too late")
    console = Console(record=True, width=120, file=io.StringIO())
    console.print(view.table())
    text = console.export_text()
    assert "running  train@a  00:00  train a: 50/320 step 1225 accuracy 71%" in text
    assert "failed   train@b  00:00  exit code 3" in text
    assert "\n1 waiting  1 running  1 failed; 1 of 3, about" in text
    assert "\ndashboard: http://dashboard" in text
    assert "dump@a" not in text


def test_a_guarded_command_ends_with_what_it_started_when_its_parent_is_killed(tmp_path: Path) -> None:
    file = str(tmp_path / "pid")
    sleeper = "p = subprocess.Popen(['sleep', '600'])"
    inner = f"import subprocess; {sleeper}; open({file!r}, 'w').write(str(p.pid)); p.wait()"
    outer = (
        "import sys, time; from sedlib.cluster.worker.guard import guarded\n"
        f"with guarded([sys.executable, '-c', {inner!r}]): time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", outer])
    until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text() != "", "the inner process runs")
    pid = int((tmp_path / "pid").read_text())
    parent.kill()
    parent.wait()
    until(lambda: not Path(f"/proc/{pid}").exists() or ") Z" in Path(f"/proc/{pid}/stat").read_text(), "it ends")


def test_a_guarded_command_has_its_exit_code() -> None:
    with guarded([sys.executable, "-c", "raise SystemExit(7)"]) as process:
        assert process.wait() == 7


def unfinished(folder: Path, *names: str, age: float = 1e6) -> Path:
    """A folder of the run-cache, written ``age`` seconds ago."""
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_text("")
    for path in [*folder.iterdir(), folder]:
        os.utime(path, (time.time() - age,) * 2)
    return folder


def test_unfinished_entries_of_the_run_cache_are_removed_and_whole_ones_stay(tmp_path: Path) -> None:
    beside = unfinished(tmp_path / "runs/ab/abcd", "entry", ".xyz.tmp")
    alone = unfinished(tmp_path / "runs/ab/abef", ".xyz.tmp")
    empty = unfinished(tmp_path / "runs/cd/cdef")
    clear_unfinished(tmp_path)
    assert [path.name for path in beside.iterdir()] == ["entry"]
    assert not alone.exists()
    assert not empty.exists()


def test_an_entry_whose_writer_is_alive_is_waited_for(tmp_path: Path) -> None:
    written = unfinished(tmp_path / "runs/ab/abcd", age=0) / "entry"
    writer = threading.Timer(0.3, written.write_text, ["whole"])
    writer.start()
    clear_unfinished(tmp_path)
    assert written.read_text() == "whole"
    writer.join()


def test_a_failure_travels_between_processes() -> None:
    failure = pickle.loads(pickle.dumps(StageFailed("train", "exit code 1", "the end")))
    assert (failure.stage, failure.reason, failure.tail) == ("train", "exit code 1", "the end")


def test_a_stage_gets_its_workers_threads_and_none_of_dasks_own_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "65536")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("SEDLIB_DEVICE", "cpu")
    environment = work._environment(tmp_path, 3)
    assert "MALLOC_TRIM_THRESHOLD_" not in environment
    assert environment["OMP_NUM_THREADS"] == environment["SEDLIB_THREADS"] == "3"
    assert environment["SEDLIB_DEVICE"] == "cpu"
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    assert work._environment(tmp_path, 3)["OMP_WAIT_POLICY"] == "passive"
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    assert work._environment(tmp_path, 3)["OMP_WAIT_POLICY"] == "active"


def test_a_long_plan_is_told_by_kinds_with_the_sums_of_what_they_took() -> None:
    took = StageRun("", 1.0, 1.5, 100, 1, "a processor", "")
    found = [Step(f"train@add-{seed}", RUN) for seed in range(21)] + [Step("report", RUN)]
    text = as_text(found, {f"train@add-{seed}": took for seed in range(20)})
    assert text.splitlines()[1:] == [
        "  train × 21     30.0 core minutes last time",
        "  report",
        "  in all 30.0 core minutes, and 2 of which `sedlib repro` has computed none here",
    ]
    assert as_text([], {}) == "there is no stage"


COST = Cost(90.0, 60.0, 3 * 2**20, 2, "Some CPU, of 2 GHz", {"Python": "3.12", "dvc": "3"})


def recorded(root: Path, *stages: Settled) -> None:
    start(root)
    for settled in stages:
        record(root, settled)


def test_costs_are_read_as_they_were_written_the_last_of_each_stage(tmp_path: Path) -> None:
    recorded(
        tmp_path,
        Settled("dvc.yaml", "a", {}, cost=COST),
        Settled("geometry/dvc.yaml", "b@c", {}, cost=COST),
        Settled("dvc.yaml", "a", {}, cost=replace(COST, cpu_seconds=120.0)),
        Settled("dvc.yaml", "restored", {}),
    )
    row = StageRun("geometry/dvc.yaml:b@c", 1.5, 1.0, 3, 2, "Some CPU, of 2 GHz", "Python 3.12")
    rows = {row.stage: row, "a": replace(row, stage="a", core_minutes=2.0)}
    assert read(tmp_path / TABLE) == known(tmp_path) == rows
    recorded(tmp_path)
    assert (tmp_path / TABLE).read_text().count("\n") == 3
    assert known(tmp_path) == rows


@pytest.mark.parametrize("damage", ["stage,minutes\na,b\n", "", "\x00", "a,1.5,1.0", f"a,{'1' * 200_000}"])
def test_a_damaged_table_of_this_clone_is_kept_aside_and_said_and_new_rows_are_seen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    recorded(tmp_path, Settled("dvc.yaml", "a", {}, cost=COST))
    with (tmp_path / TABLE).open("a" if damage.startswith("a,") else "w") as file:
        file.write(damage)
    damaged = (tmp_path / TABLE).read_bytes()
    assert known(tmp_path) == {}
    assert f"{TABLE} is damaged (" in capsys.readouterr().err
    recorded(tmp_path, Settled("dvc.yaml", "b", {}, cost=COST))
    assert set(known(tmp_path)) == {"b"}
    assert (tmp_path / DAMAGED).read_bytes() == damaged


def test_costs_that_git_keeps_are_read_from_no_link_to_nothing_or_to_itself(tmp_path: Path) -> None:
    (tmp_path / KEPT).parent.mkdir()
    for target in ("nowhere", KEPT.name):
        (tmp_path / KEPT).unlink(missing_ok=True)
        (tmp_path / KEPT).symlink_to(target)
        with pytest.raises(UserError, match=r"reports/costs.csv: expected the costs of stages.*git checkout"):
            known(tmp_path)


def test_costs_are_kept_in_a_repository_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=r"has no folder .dvc: call sedlib where dvc.yaml is"):
        main(["costs", "--keep"])


@pytest.mark.parametrize("target", ["", " "])
def test_an_empty_target_is_refused_as_dvc_takes_it_for_every_sweep(target: str) -> None:
    with pytest.raises(UserError, match=r"a target is empty; name a stage or a dvc\.yaml"):
        in_order(create_autospec(Repo, instance=True), ["figures@add-42", target])


def test_what_git_keeps_of_costs_grows_by_those_of_this_clone(tmp_path: Path) -> None:
    assert keep(tmp_path) == 0
    assert not (tmp_path / KEPT).exists()
    recorded(tmp_path, Settled("dvc.yaml", "a", {}, cost=COST))
    assert keep(tmp_path) == 1
    (tmp_path / TABLE).unlink()
    assert set(known(tmp_path)) == {"a"}
    recorded(tmp_path, Settled("dvc.yaml", "b", {}, cost=COST))
    assert keep(tmp_path) == 1
    assert set(read(tmp_path / KEPT)) == {"a", "b"}
    assert keep(tmp_path) == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("a,1.5", "<<<<<<< HEAD\na,1.5"),
        lambda text: text.replace("1.5", "nan"),
        lambda text: text.replace("1.5", "1_5"),
        lambda text: text.replace("1.5", " 1.5"),
        lambda text: text.replace("1.5", "\u0661"),  # a digit one, in Arabic
        lambda text: text.replace("a,1.5", ",1.5"),
        lambda text: text.replace("Some CPU", "Some\x1b[2J CPU"),  # it would rewrite the terminal
        lambda text: text.replace("1.5", "-1.5"),
        lambda text: text.replace("1.5", "1" * 200_000),
        lambda text: text.replace("1.5", "1" * 400),
        lambda text: text[:-20],
        lambda text: text + text.splitlines()[-1].replace("1.5", "99.5") + "\n",  # a merge that kept both
        lambda text: "",
    ],
)
def test_a_damaged_table_of_git_is_refused_and_not_written_over(tmp_path: Path, change: Callable[[str], str]) -> None:
    recorded(tmp_path, Settled("dvc.yaml", "a", {}, cost=COST))
    keep(tmp_path)
    recorded(tmp_path, Settled("dvc.yaml", "b", {}, cost=COST))
    (tmp_path / KEPT).write_text(damaged := change((tmp_path / KEPT).read_text()))
    for function in (keep, known):
        with pytest.raises(UserError, match=r"reports/costs.csv: expected the costs of stages.*git checkout"):
            function(tmp_path)
    assert (tmp_path / KEPT).read_text() == damaged
