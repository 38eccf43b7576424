"""Stages in parallel: the results of plain `dvc repro`, each stage once, whatever fails; real worker processes."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from sedlib.base.errors import UserError
from sedlib.cluster.plan.planning import plan
from sedlib.cluster.worker.remote import fetch
from tests.clone import Clone, copied
from tests.toy import STAGES, Toy, toy, until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy(tmp_path_factory.mktemp("toy")).folder.parent


@pytest.fixture
def fresh(template: Path, tmp_path: Path) -> Iterator[Toy]:
    """A toy repository in which nothing was run; no process of its commands is left when the test ends."""
    shutil.copytree(template, tmp_path / "toy", symlinks=True)
    found = Toy(tmp_path / "toy/toy")
    yield found
    until(lambda: not found.processes(), f"no process is left of {found.processes()}")


def unknown_user(toy: Toy) -> dict[str, str]:
    """Variables with which git knows of a user only what the repository itself says."""
    return {"HOME": str(toy.folder.parent), "GIT_CONFIG_NOSYSTEM": "1"}


def up_to_date(clone: Clone) -> bool:
    return "up to date" in clone.call("dvc", "status").stdout


@pytest.mark.long
def test_the_papers_pipeline_gets_the_bytes_of_serial_repro(finished: Clone, tmp_path: Path) -> None:
    clone = copied(tmp_path / "sedlib")
    done = clone.call("sedlib", "repro", "--workers", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    for lock in ("dvc.lock", "geometry/dvc.lock"):
        assert (clone.folder / lock).read_text() == (finished.folder / lock).read_text()
    assert up_to_date(clone)
    assert "train@add-1 | train add-1: done, 9 in" in done.stderr  # the stage's own steps and accuracies
    assert "accuracy" in done.stderr


def test_a_code_edit_runs_what_uses_it_although_the_code_stage_has_not_run_since(clone: Clone) -> None:
    module = clone.folder / "sedlib/curvature.py"
    module.write_text(module.read_text().replace("LARGEST_ROUNDING = 0.1", "LARGEST_ROUNDING = 0.11", 1))
    done = clone.call("sedlib", "repro", "geometry/dvc.yaml", "--workers", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"done     (\S+)", done.stderr) == ["geometry/dvc.yaml:curvature@add-1"]
    assert clone.repro() == []
    (clone.folder / "sedlib/pipeline/code/imports.py").write_text("from nothing import at_all\n")
    refused = clone.call("sedlib", "repro", "--workers", "1")
    assert refused.returncode == 1
    assert "stage code fails, which says what else is stale" in refused.stderr


def test_each_stage_runs_once_with_one_thread_and_a_second_call_runs_none(fresh: Toy) -> None:
    text = fresh.run("repro", "--workers", "2")
    assert "dashboard: http://" in text
    assert {line.split()[1] for line in (fresh.steering / "ran").read_text().splitlines()} == {"1"}
    assert fresh.ran() == STAGES
    assert fresh.content() == "both 0\nleft 1\nsource\nright 1\nsource\nalone 0\nsource\n"
    assert up_to_date(fresh)
    assert not list((fresh.folder / ".dvc/tmp/sedlib").glob("run-*"))

    assert "dashboard" not in fresh.run("repro")  # no worker is started for it
    assert fresh.ran() == []


def test_uncommitted_changes_take_part_and_going_back_restores(fresh: Toy) -> None:
    assert fresh.call("dvc", "repro").returncode == 0
    assert fresh.ran() == STAGES
    (fresh.folder / "params.yaml").write_text("value: 2\n")
    text = fresh.run("repro", "both", "--workers", "2")
    assert all(f"done     {stage}" in text for stage in ("half@left", "half@right", "both"))  # not by the last repro
    assert fresh.ran() == ["both", "left", "right"]
    assert (fresh.folder / "out/both.txt").read_text() == "both 0\nleft 2\nsource\nright 2\nsource\n"
    (fresh.folder / "params.yaml").write_text("value: 1\n")
    assert "dashboard" not in fresh.run("repro")
    assert fresh.ran() == []
    assert "left 1" in fresh.content()


def test_what_lies_in_an_outputs_place_is_overwritten_as_by_dvc_repro(fresh: Toy) -> None:
    assert fresh.call("dvc", "repro").returncode == 0
    (fresh.folder / "out/left.txt").unlink()
    (fresh.folder / "out/left.txt").write_text("half of it")
    fresh.ran()
    fresh.run("repro")
    assert (fresh.folder / "out/left.txt").read_text() == "left 1\nsource\n"
    assert fresh.ran() == []


def test_a_result_that_lost_its_outputs_is_computed_again(fresh: Toy) -> None:
    assert fresh.call("dvc", "repro").returncode == 0
    fresh.ran()
    digest = hashlib.md5((fresh.folder / "out/left.txt").read_bytes()).hexdigest()
    (fresh.folder / ".dvc/cache/files/md5" / digest[:2] / digest[2:]).unlink()
    (fresh.folder / "out/left.txt").unlink()
    assert "done     half@left" in fresh.run("repro", "--workers", "2")  # not by the last repro
    assert fresh.ran() == ["left"]


def test_a_failing_stage_fails_only_what_is_downstream_and_the_next_call_runs_just_that(fresh: Toy) -> None:
    fresh.let("right", "fails")
    text = fresh.run("repro", "--workers", "2", code=1)
    assert "failed: half@right: exit code" in text
    assert "boom in right" in text.split("failed: half@right")[-1]
    assert "1 failed, 1 need one of them, 2 done" in text
    assert fresh.ran() == ["alone", "left", "right"]
    assert (fresh.folder / "out/left.txt").exists()
    fresh.let("right", "fails", False)
    fresh.run("repro", "--workers", "2")
    assert fresh.ran() == ["both", "right"]
    assert up_to_date(fresh)


def test_an_untracked_input_is_refused_by_name_before_anything_runs(fresh: Toy) -> None:
    pipeline = fresh.folder / "dvc.yaml"
    pipeline.write_text(
        pipeline.read_text().replace("deps: [stage.sh, source.txt]", "deps: [stage.sh, source.txt, new.txt]")
    )
    (fresh.folder / "new.txt").write_text("new")
    text = fresh.run("repro", "--workers", "2", code=1)
    assert "new.txt (read by " in text
    assert "git add" in text
    assert fresh.ran() == []
    (fresh.folder / "new.txt").unlink()
    assert "depends on new.txt, which does not exist" in fresh.run("repro", code=1)


@pytest.mark.parametrize("committed", [True, False])
def test_what_a_crash_left_is_repaired_and_said(fresh: Toy, committed: bool) -> None:
    assert fresh.call("dvc", "repro").returncode == 0
    before = (fresh.folder / "dvc.lock").read_text()
    if committed:
        fresh.commit()
    fresh.ran()
    (fresh.folder / "dvc.lock").write_text("")
    (fresh.folder / ".dvc/tmp/rwlock").write_text("")
    assert fresh.call("dvc", "repro").returncode != 0
    text = fresh.run("repro")
    assert f"dvc.lock was broken by a crash: {'taken from the last commit' if committed else 'removed'}" in text
    assert ".dvc/tmp/rwlock was broken" in text
    assert fresh.ran() == []
    assert (fresh.folder / "dvc.lock").read_text() == before


def test_what_cannot_be_downloaded_is_said(fresh: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fresh.call("dvc", "repro").returncode == 0
    assert fresh.call("dvc", "remote", "add", "-d", "shared", str(tmp_path / "remote")).returncode == 0
    monkeypatch.chdir(fresh.folder)
    settled = list(plan(["both"]).settled.values())[:2]
    shutil.rmtree(fresh.folder / ".dvc/cache/files")
    with pytest.raises(UserError, match=r"outputs of stage .* are not in DVC's default remote, or out of reach"):
        fetch(settled)


def test_two_commands_at_once_are_refused(fresh: Toy) -> None:
    fresh.let("left", "waits")
    first = fresh.start("repro", "--workers", "2")
    fresh.wait_for("left")
    assert "another sedlib repro or sweep runs in" in fresh.run("repro", code=1)
    fresh.let("left", "waits", False)
    first.communicate()
    assert first.returncode == 0


def test_a_grid_runs_shared_stages_once_and_registers_every_point(fresh: Toy) -> None:
    assert fresh.call("dvc", "repro").returncode == 0
    fresh.commit()
    fresh.ran()
    (fresh.folder / "source.txt").write_text("uncommitted\n")
    fresh.call("git", "config", "user.name", "Known Here")
    fresh.call("git", "config", "user.email", "only@here")
    text = fresh.run("sweep", "--workers", "2", "-S", "value=1,2", code=0, **unknown_user(fresh))
    assert fresh.ran() == ["alone", "both", "both", "left", "left", "right", "right"]
    assert fresh.call("git", "status", "--porcelain").stdout == " M source.txt\n"
    listed = json.loads(fresh.call("dvc", "exp", "show", "--json").stdout)
    experiments = next(row["experiments"] for row in listed if row["rev"] != "workspace")
    revisions = {row["name"]: row["revs"][0] for row in experiments}
    values = {name: found["data"]["params"]["params.yaml"]["data"]["value"] for name, found in revisions.items()}
    assert sorted(values.values()) == [1, 2]
    for name, value in values.items():
        assert f"experiment {name}: params.yaml:value={value}" in text
        shown = fresh.call("git", "show", f"{revisions[name]['rev']}:report.txt").stdout
        assert f"left {value}\nuncommitted\n" in shown
        committer = fresh.call("git", "log", "-1", "--format=%cn <%ce>", revisions[name]["rev"]).stdout
        assert committer == "Known Here <only@here>\n"


def test_a_grid_is_refused_before_anything_runs_if_git_does_not_know_who_commits(fresh: Toy) -> None:
    fresh.call("git", "config", "user.useConfigOnly", "true")  # of a host's whole name git would make an identity
    text = fresh.run("sweep", "--workers", "2", "-S", "value=1,2", code=1, **unknown_user(fresh))
    assert "Please tell me who you are" in text
    assert fresh.ran() == []


def test_the_plan_says_what_is_run_restored_and_pulled_and_what_it_took(fresh: Toy) -> None:
    assert steps(fresh) == {"run": ["half@left", "half@right", "both", "alone", "report"]}
    assert "computed a stage here" in fresh.run("costs", code=1)
    fresh.run("repro", "--workers", "2")
    assert steps(fresh) == {"up to date": []}
    assert fresh.run("repro", "--workers", "1") == "all results are up to date\n"
    costs = fresh.run("costs")
    assert re.findall(r"^(\S+) +\d+\.\d +\d+\.\d +[1-9]\d* +1  .*Python", costs, re.MULTILINE) != []
    (fresh.folder / "params.yaml").write_text("value: 2\n")
    assert steps(fresh) == {"run": ["half@left", "half@right", "both", "report"], "up to date": []}
    assert "core minutes last time" in fresh.run("plan")
    (fresh.folder / "params.yaml").write_text("value: 1\n")
    shutil.rmtree(fresh.folder / "out")
    assert steps(fresh) == {"run": ["report"], "restore": ["half@left", "half@right", "both", "alone"]}
    fresh.run("repro", "--workers", "1")
    for gone in ("out", ".dvc/cache"):
        shutil.rmtree(fresh.folder / gone)
    fresh.ran()
    assert steps(fresh, "both") == {"pull": ["half@left", "half@right", "both"]}
    assert fresh.ran() == []


def test_a_plan_with_other_values_leaves_the_workspace_as_it_is(fresh: Toy) -> None:
    fresh.run("repro", "--workers", "1")
    fresh.ran()
    before = {path: path.read_bytes() for path in fresh.folder.glob("*") if path.is_file()}
    found = steps(fresh, "both", "alone", "-S", "value=7")
    assert found == {"run": ["half@left", "half@right", "both"], "restore": ["alone"]}
    assert {path: path.read_bytes() for path in before} == before
    assert "takes one value for a name, got 2 combinations" in fresh.run("plan", "-S", "value=1,2", code=1)
    assert "did you mean value?" in fresh.run("plan", "-S", "valu=1", code=1)
    assert fresh.ran() == []


def steps(toy: Toy, *targets: str) -> dict[str, list[str]]:
    """By what is done with them, the stages that `sedlib plan` names."""
    found: dict[str, list[str]] = {}
    for line in toy.run("plan", *targets).splitlines():
        if not line.startswith(" "):
            found[what := line.partition(":")[0]] = []
        elif not line.startswith("  in all"):
            found[what].append(line.split()[0])
    return found


def test_the_folder_of_a_failed_stage_is_kept_on_request_with_the_command_that_runs_it(fresh: Toy) -> None:
    fresh.let("left", "fails")
    text = fresh.run("repro", "--workers", "1", "--keep-failed", "both", code=1)
    [folder, command] = re.findall(r"in this folder:\n  cd (.*)\n  (.*)\n", text)[0]
    fresh.let("left", "fails", so=False)
    fresh.ran()
    done = Clone(Path(folder)).call("bash", "-c", command, TOY=str(fresh.steering))
    assert done.returncode == 0, done.stderr
    assert fresh.ran() == ["left"]
    fresh.let("left", "fails")
    shutil.rmtree(folder)
    (fresh.folder / "params.yaml").write_text("value: 3\n")
    assert "in this folder" not in fresh.run("repro", "--workers", "1", "both", code=1)
    assert not Path(folder).exists()


def test_a_folder_with_any_letters_in_its_name_is_no_matter(fresh: Toy) -> None:
    for setting in ("user.name t", "user.email t@t"):
        fresh.call("git", "config", *setting.split())
    moved = fresh.folder.parent.with_name("é ü 漢")
    fresh.folder.parent.rename(moved)
    there = Toy(moved / "toy")
    there.run("repro", "--workers", "1")
    assert there.ran() == STAGES
    assert "value=2" in there.run("sweep", "--workers", "1", "-S", "value=2,3")


def test_memory_beyond_the_workers_limit_fails_the_stage(fresh: Toy) -> None:
    script = fresh.folder / "stage.sh"
    script.write_text('python -c "import time; kept = bytearray(400 << 20); time.sleep(60)"\n')
    (fresh.folder / "cluster.yaml").write_text(
        "cluster: distributed:LocalCluster\nworkers: 1\noptions: {threads_per_worker: 2, memory_limit: 300MiB}\n"
    )
    text = fresh.run("repro", "alone", "--cluster", "cluster.yaml", code=1)
    assert "of memory; its worker may take 0.29" in text


def test_a_file_that_describes_no_cluster_is_refused(fresh: Toy) -> None:
    (fresh.folder / "cluster.yaml").write_text("cluster: nowhere:Cluster\nworkers: 1\n")
    text = fresh.run("repro", "--cluster", "cluster.yaml", code=1)
    assert "cluster.yaml must describe a Dask cluster" in text
    assert "nowhere" in text


@pytest.mark.skipif(os.getuid() != 0, reason="fills a disk of its own, which only root can mount")
def test_a_full_disk_is_named_and_with_room_the_next_call_goes_on(fresh: Toy, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if fresh.call("mount", "-t", "tmpfs", "-o", "size=400k", "none", str(small)).returncode:
        pytest.skip("fills a disk of its own, which this machine lets nobody mount")
    try:
        fresh.call("dvc", "config", "cache.dir", str(small))
        (fresh.folder / "source.txt").write_text("x" * 150_000)
        text = fresh.run("repro", "--workers", "2", code=1)
        assert "No space left on device" in text
        assert fresh.call("mount", "-o", "remount,size=20m", str(small)).returncode == 0
        fresh.run("repro", "--workers", "2")
        assert up_to_date(fresh)
    finally:
        fresh.call("umount", str(small))
