"""The recipes of docs/experiments.md, read from the page and run with real DVC; the stages of each are counted."""

import contextlib
import json
import re
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from ruamel.yaml import YAML

from tests.clone import ALL, ANALYSIS, CODE, FOR_FIGURES, GEOMETRY, REPORT, Clone, copied, names
from tests.imports import ROOT
from tests.tiny import TINY

pytestmark = pytest.mark.slow

RUN = "add-42"
CHANGED = sorted(CODE + names(ANALYSIS, RUN) + REPORT)
"""What another window runs; the code stage checks the parameters."""
GRADIENTS = f"artifacts/gradients/{RUN}.h5"
LOCKS = ("dvc.lock", "geometry/dvc.lock")


@dataclass(frozen=True)
class Laboratory(Clone):
    """A clone in which commands run as a user types them."""

    def type(self, command: str, **variables: str) -> list[str]:
        """Stages that a command executed, sorted."""
        return sorted(re.findall(r"Running stage '(.*?)'", self.output(command, **variables)))

    def output(self, command: str, **variables: str) -> str:
        done = self.call("bash", "-euc", command, **variables)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    @property
    def objects(self) -> set[str]:
        """Names of what the cache holds."""
        return stored(self.folder / ".dvc/cache")

    def committed_as(self, message: str) -> None:
        self.output(f"git add . && git commit -qm '{message}'")


def stored(folder: Path) -> set[str]:
    """Names of the objects that a cache or a directory remote holds."""
    return {"".join(path.parts[-2:]) for path in (folder / "files/md5").glob("*/*")}


def recipe(title: str) -> list[list[str]]:
    """Commands of each block of a section, without their comments."""
    section = (ROOT / "docs/experiments.md").read_text().split(f"\n## {title}\n")[1].split("\n## ")[0]
    blocks = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    return [[re.sub(r"\s{2,}#.*", "", line) for line in block.splitlines()] for block in blocks]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone with one run of 42 checkpoints, computed and committed."""
    clone = copied(tmp_path_factory.mktemp("laboratory") / "sedlib")
    clone.set(
        window=20,
        rank=3,
        optimizer={**TINY["optimizer"], "lr": 1e-5},  # guesses as at first: some right, so that all runs stop early
        stopping={"accuracy": 0.001, "checkpoints": 42},
        runs={RUN: {**TINY["runs"]["add-1"], "seed": 42, "checkpoint_every": 1, "max_steps": 41}},
    )
    assert sorted(clone.repro()) == sorted(CODE + names(ALL, RUN) + REPORT)
    commit_as_somebody(clone)
    assert clone.call("bash", "-euc", "git checkout -qb main && git add . && git commit -qm first").returncode == 0
    return clone


@pytest.fixture
def laboratory(prepared: Clone, tmp_path: Path) -> Laboratory:
    """A copy of it, to experiment in, with an origin."""
    shutil.copytree(prepared.folder, tmp_path / "sedlib", symlinks=True)
    copy = Laboratory(tmp_path / "sedlib")
    copy.output(f"git init -q --bare {tmp_path}/origin && git remote add origin {tmp_path}/origin")
    copy.output("git push -q origin main")
    return copy


def parameters(laboratory: Laboratory) -> dict[str, Any]:
    values: dict[str, Any] = YAML(typ="safe").load((laboratory.folder / "params.yaml").read_text())
    return values


def set_parameters(laboratory: Laboratory, **changes: Any) -> None:
    (laboratory.folder / "params.yaml").write_text(json.dumps({**parameters(laboratory), **changes}))


def commit_as_somebody(clone: Clone) -> None:
    for setting in ("user.name t", "user.email t@t"):
        clone.call("git", "config", *setting.split())


def another(laboratory: Laboratory, folder: Path) -> Laboratory:
    """Another's clone of the origin: nothing in its cache, set up."""
    laboratory.output(f"git clone -q --branch main {folder.parent}/origin {folder}")
    other = Laboratory(folder)
    commit_as_somebody(other)
    (folder / ".venv").mkdir()
    (folder / ".venv/bin").symlink_to(Path(sys.executable).parent)
    (folder / ".venv/.ready").touch()
    return other


def wait_until_idle(laboratory: Laboratory) -> str:
    """What the queue says when its workers have ended."""
    for _ in range(600):
        status = laboratory.output("dvc queue status")
        if not re.search(r"Queued|Running", status) and "0 active, 0 idle" in status and not workers(laboratory):
            return status
        time.sleep(0.5)
    raise TimeoutError(status)


def workers(laboratory: Laboratory) -> list[psutil.Process]:
    """Processes left in the clone."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if Path(process.cwd()).is_relative_to(laboratory.folder):
                found.append(process)
    return found


@pytest.fixture
def queueing(laboratory: Laboratory) -> Iterator[Laboratory]:
    """A laboratory whose queue workers end with the test."""
    yield laboratory
    laboratory.call("dvc", "queue", "stop", "--kill")
    _, alive = psutil.wait_procs(workers(laboratory), timeout=60)
    for process in alive:
        process.kill()


@pytest.mark.long
def test_sweep(queueing: Laboratory) -> None:
    [[sweep, start, status]] = recipe("Sweep")
    assert queueing.type(sweep) == []
    edited = queueing.folder / "sedlib/bases.py"
    before = edited.read_text()
    edited.write_text("raise NotImplementedError")  # what is queued runs as it was when queued
    queueing.output(start)
    assert status == "dvc queue status"
    tasks = dict(re.findall(r"^(\w{7}) .* (\w+)$", wait_until_idle(queueing), re.MULTILINE))
    assert list(tasks.values()) == ["Success"] * 5
    ran = [queueing.type(f"dvc queue logs {task}") for task in tasks]
    assert sorted(ran) == [[], *[CHANGED] * 4]  # window 20 is the workspace's own
    assert not list((queueing.folder / ".dvc/tmp/exps").glob("tmp*"))
    edited.write_text(before)

    table = queueing.output(recipe("Compare")[0][1])
    shown = re.findall(r"^ +[├└]── .* (\d+) *$", table, re.MULTILINE)
    assert sorted(shown, key=int) == ["1", "5", "10", "20", "40"]
    assert {"gradient", "update", "window"} <= set(table.split())
    assert not {"rank", "artifacts"} & set(re.findall(r"\w+", table))


@pytest.mark.long
def test_compare(laboratory: Laboratory) -> None:
    [[run, show, metrics, plots, back, apply, branch], one, safely] = recipe("Compare")
    assert laboratory.type(run) == CHANGED
    shown, compared = laboratory.output(show, **TERMINAL), laboratory.output(metrics, **TERMINAL)
    for text in (shown, compared, laboratory.output("dvc metrics show", **TERMINAL)):
        assert width(text) <= 160
    assert "[w5]" in shown
    [header] = [line for line in shown.splitlines() if "Experiment" in line]
    different = re.findall(r"^reports/headline.json +(\w+)", compared, re.MULTILINE)
    assert {"Experiment", *different, "window"} <= set(header.split())
    assert "artifacts" not in header
    assert different[:1] == ["gradient"]
    assert len(compared.splitlines()) <= 1 + 11 + 7
    laboratory.output(plots)
    assert "Coupling ratio over training" in (laboratory.folder / "dvc_plots/index.html").read_text()
    assert laboratory.type(back) == REPORT
    assert parameters(laboratory)["window"] == 20
    assert laboratory.type(apply) == []
    assert parameters(laboratory)["window"] == 5
    assert laboratory.repro() == []
    laboratory.output(branch)
    assert "window: 5" in laboratory.output("git show window-5:params.yaml")
    compare_one_run(laboratory, one)
    apply_safely(laboratory, safely)


TERMINAL = {"COLUMNS": "160", "PAGER": "cat", "DVC_PAGER": "cat"}


def width(table: str) -> int:
    return max(len(line) for line in table.splitlines())


def compare_one_run(laboratory: Laboratory, commands: list[str]) -> None:
    run, metrics, show = commands
    laboratory.output("git checkout -q . && dvc checkout -q")
    assert laboratory.type(run) == []  # the workspace's own window ran already, and that of w5
    rows = [line for line in laboratory.output(metrics, **TERMINAL).splitlines() if RUN in line]
    assert [row.split()[1] for row in rows] == ["gradient_peak", "update_peak"]  # no run of a second groks
    shown = laboratory.output(show, **TERMINAL)
    assert width(shown) <= 160
    assert all(name in shown for name in ("[one]", "gradient_peak", "update_peak", "window"))


def apply_safely(laboratory: Laboratory, commands: list[str]) -> None:
    laboratory.output("git checkout -q . && dvc checkout -q")
    readme = laboratory.folder / "README.md"
    readme.write_text(edited := readme.read_text() + "my edit\n")
    for command in commands:
        laboratory.output(command)
    assert readme.read_text() == edited
    assert parameters(laboratory)["window"] == 5


@pytest.mark.long
def test_add_a_seed(laboratory: Laboratory) -> None:
    [[add, remove]] = recipe("Add a seed")
    assert laboratory.type(add) == sorted(CODE + names(ALL, "add-3") + REPORT)
    assert laboratory.type(remove) == REPORT  # the texts of the code stage are restored


@pytest.mark.long
def test_merge(laboratory: Laboratory, tmp_path: Path) -> None:
    """Two add a run each: after the merge nothing is trained, and both runs' results are there."""
    for command in recipe("Share")[0][:4]:
        laboratory.output(command, STORE=str(tmp_path / "store"))
    laboratory.output("dvc push")
    other = another(laboratory, tmp_path / "other")
    for member, seed, branch in ((other, 3, "theirs"), (laboratory, 5, "mine")):
        member.output(f"git checkout -qb {branch}")
        runs = {**parameters(member)["runs"], f"add-{seed}": {**parameters(member)["runs"][RUN], "seed": seed}}
        set_parameters(member, runs=runs)
        assert sorted(member.repro("--pull", "--allow-missing")) == sorted(CODE + names(ALL, f"add-{seed}") + REPORT)
        member.committed_as(branch)
    other.output("git push -q origin theirs && dvc push")

    [[fetch, merge, edit, *rest]] = recipe("Merge")
    laboratory.output(fetch)
    assert laboratory.call("bash", "-euc", merge).returncode != 0
    runs = {name: found for member in (laboratory, other) for name, found in parameters_of(member).items()}
    laboratory.output("git checkout --ours params.yaml")
    set_parameters(laboratory, runs=runs)
    assert "params.yaml" in edit
    ran = [laboratory.type(command) for command in rest]
    assert [stages for stages in ran if stages] == [sorted(CODE + REPORT)]
    assert {f"artifacts/results/add-{seed}/coupling.csv" for seed in (3, 5)} <= set(results(laboratory))
    assert laboratory.repro() == []
    assert laboratory.output("git status --porcelain") == ""


def parameters_of(member: Laboratory) -> dict[str, Any]:
    """Its runs, as it committed them."""
    committed: dict[str, Any] = YAML(typ="safe").load(member.output("git show HEAD:params.yaml"))["runs"]
    return committed


def results(laboratory: Laboratory) -> list[str]:
    return [str(path.relative_to(laboratory.folder)) for path in laboratory.folder.glob("artifacts/results/*/*.csv")]


@pytest.mark.long
def test_add_an_operation(laboratory: Laboratory) -> None:
    section = (ROOT / "docs/experiments.md").read_text().split("\n## Add an operation\n")[1]
    line = section.split("```python\n")[1].split("```")[0]
    module = laboratory.folder / "sedlib/grokking/setup/operations.py"
    module.write_text(module.read_text().replace("OPERATIONS = {\n", f"OPERATIONS = {{\n{line}"))
    [[add]] = recipe("Add an operation")
    assert laboratory.type(add) == sorted(CODE + names(FOR_FIGURES, "diff-42"))
    assert laboratory.type("dvc repro") == sorted([*names(GEOMETRY, "diff-42"), *REPORT])  # no other run


@pytest.mark.long
def test_change_the_projection_target(laboratory: Laboratory) -> None:
    set_parameters(laboratory, interventions={**TINY["interventions"], "runs": [RUN]})
    [[run, show]] = recipe("Change the projection target")
    # The stage code looks at every name under interventions.
    assert laboratory.type(run) == [*CODE, f"interventions/dvc.yaml:intervene@{RUN}-update-freeze"]
    assert "freeze" in laboratory.output(show)


@pytest.mark.long
def test_rows_in_16_bits(laboratory: Laboratory) -> None:
    [[narrow]] = recipe("What a run takes")
    set_parameters(laboratory, rank=1)  # rows of consecutive steps of so small a network determine no more in 16 bits
    before = (laboratory.folder / GRADIENTS).stat().st_size
    assert laboratory.type(narrow) == sorted(
        CODE + names([stage for stage in FOR_FIGURES if stage != "train"], RUN) + REPORT
    )
    assert (laboratory.folder / GRADIENTS).stat().st_size < before


@pytest.mark.long
def test_share(laboratory: Laboratory, tmp_path: Path) -> None:
    store = str(tmp_path / "store")
    assert laboratory.type(recipe("Compare")[0][0]) == CHANGED
    giving, taking, _, _, starting, naming = recipe("Share")
    assert [laboratory.type(command, STORE=store) for command in giving] == [[]] * 6
    other = another(laboratory, tmp_path / "other")
    pull, run, experiment = taking
    assert other.type(pull) == []
    assert [str(path.relative_to(other.folder)) for path in other.folder.glob("artifacts/*/*.*")] == [GRADIENTS]
    planned = other.output(recipe("What a change would run again")[0][0])
    there = [
        ("run", "1"),
        ("pull", str(len(ALL) - 1)),
        ("up to date", "2"),
    ]  # the report; all but the dump; that and code
    assert re.findall(r"^(run|pull|restore|up to date): (\d+)", planned, re.MULTILINE) == there
    what_if = other.output(recipe("What a change would run again")[0][1])  # the committed value, in a copy
    there = [there[0], there[1], ("restore", "1"), ("up to date", "1")]
    assert re.findall(r"^(run|pull|restore|up to date): (\d+)", what_if, re.MULTILINE) == there
    assert other.type(run) == CHANGED
    assert other.type(experiment) == []
    assert "w5" in other.output("dvc exp list --all-commits")
    assert not other.objects & written(laboratory, "checkpoints/")
    assert not list(other.folder.glob("artifacts/checkpoints/*.h5"))
    start_from_dumps(laboratory, starting, naming, tmp_path / "elsewhere")


def start_from_dumps(laboratory: Laboratory, commands: list[str], naming: list[str], folder: Path) -> None:
    """In another's repository, by path and by name."""
    laboratory.output("git checkout -q . && git checkout -q main")
    laboratory.output(naming[0])
    folder.mkdir()
    mine = Laboratory(folder)
    mine.output("git init -q && dvc init -q")
    for command in commands:
        mine.output(command, LAB=str(laboratory.folder))
    dumped = {(folder / name).read_bytes() for name in ("add-42.h5", "dumps.h5", "named.h5")}
    assert len(dumped) == 1


def written(laboratory: Laboratory, part: str = "", revision: str = "HEAD") -> set[str]:
    """Objects that a revision's locks name, of those outputs whose path has ``part``."""
    texts = [laboratory.output(f"git show {revision}:{lock}") for lock in LOCKS]
    stages = [stage for text in texts for stage in YAML(typ="safe").load(text)["stages"].values()]
    outs = [out for stage in stages for out in stage["outs"] if out["path"].startswith("artifacts/")]
    found = {out["md5"] for out in outs if part in out["path"]}
    cache = laboratory.folder / ".dvc/cache/files/md5"
    folders = [path for md5 in found if (path := cache / md5[:2] / md5[2:]).suffix == ".dir" and path.exists()]
    return found | {entry["md5"] for path in folders for entry in json.loads(path.read_text())}


def experiment(name: str) -> str:
    """An experiment's revision, for a shell: DVC keeps it under a name of its own."""
    return f"$(git for-each-ref --format='%(refname)' 'refs/exps/*/*/{name}')"


def bases_committed(laboratory: Laboratory, window: int) -> None:
    """Another window's bases, and a commit of them."""
    set_parameters(laboratory, window=window)
    assert laboratory.repro("--pull", "--allow-missing", f"bases@{RUN}") == [*CODE, f"bases@{RUN}"]
    laboratory.committed_as(f"window {window}")


@pytest.mark.long
def test_clean_up(laboratory: Laboratory, tmp_path: Path) -> None:
    """What a branch, a tag, an experiment, or another's branch or experiment needs stays, in the remote too."""
    store = tmp_path / "store"
    for command in recipe("Share")[0][:4]:
        laboratory.output(command, STORE=str(store))
    laboratory.output("dvc push && git checkout -qb mine")
    bases_committed(laboratory, 10)
    laboratory.output("git checkout -q --detach main && dvc checkout -q")
    bases_committed(laboratory, 11)
    laboratory.output("git tag tagged && git checkout -q main && dvc checkout -q")
    for window in (5, 6):
        assert laboratory.type(f"dvc exp run -n w{window} -S window={window} bases@{RUN}") == [f"bases@{RUN}", *CODE]
        laboratory.output("git checkout -q . && dvc checkout -q")
    set_parameters(laboratory, window=7)
    assert laboratory.repro(f"bases@{RUN}") == [*CODE, f"bases@{RUN}"]
    laboratory.output("dvc push && git checkout -q . && dvc checkout -q")
    needed = {"mine", "tagged", "main", experiment("w6")}

    other = another(laboratory, tmp_path / "other")
    other.output("dvc pull dump && git checkout -qb theirs")
    bases_committed(other, 12)
    other.output("git push -q origin theirs && dvc push")
    assert other.type(f"dvc exp run --pull --allow-missing -n w13 -S window=13 bases@{RUN}") == [f"bases@{RUN}", *CODE]
    other.output("dvc exp push origin w13")

    before, stored_before = laboratory.objects, stored(store)
    kept = set().union(*(written(laboratory, revision=name) for name in needed))
    unneeded = before - kept
    here, there = recipe("Clean up")
    remove, fetch, dry, collect = here
    removed = written(laboratory, "bases/", experiment("w5"))
    for command in (remove, fetch, dry):
        assert laboratory.type(command) == []
    assert laboratory.objects == before
    laboratory.output(collect)
    assert laboratory.objects == before & kept
    assert removed <= unneeded
    assert len(unneeded) == 6  # bases and their table, of the removed and of the uncommitted window
    laboratory.output("git checkout -q mine && dvc checkout")
    laboratory.output("git checkout -q main && dvc checkout")

    theirs = written(other, revision="theirs") | written(other, revision=experiment("w13"))
    for command in there:
        laboratory.output(command)
    assert stored(store) >= theirs & stored_before
    assert stored_before - stored(store) == unneeded & stored_before != set()
    set_parameters(laboratory, window=7)
    assert laboratory.repro(f"bases@{RUN}") == [f"bases@{RUN}"]
