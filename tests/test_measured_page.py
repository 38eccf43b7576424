"""A page of measurements: its blocks are written and compared by the commands that it names itself."""

import importlib
import re
import runpy
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from ruamel.yaml import YAML

from benchmarks.compared import differences, tables
from benchmarks.lock_lines import PIPELINES, locks, stages
from benchmarks.machine import machine
from benchmarks.page import NOT_YET, PAGE, Block, blocks
from benchmarks.stages import LOCKED, sizes
from benchmarks.timing import cpu_seconds
from tests.imports import ROOT
from tests.test_architecture import groups

TABLE = """
| case | 1 thread: ms | ratio | 2 threads: ms | ratio |
|---|---|---|---|---|
| step | 18.4 | 0.60 (0.57 to 0.61) | 1,200 | 0.42 (0.40 to 0.44) |
"""


OTHER = "64 cores of another machine, 1 GiB, PyTorch 0.1"


def page(tmp_path: Path, printed: str, on: str = "") -> Path:
    """A stand-in: a block whose command prints ``printed``, between prose; ``on`` is its machine, by default this."""
    (tmp_path / "printing.py").write_text(f"print('''{printed}''')")
    block = Block(f"python {tmp_path / 'printing.py'}", TABLE, on or machine())
    made = tmp_path / "page.md"
    made.write_text(f"Before.\n\n{block.text}\n\nAfter.\n")
    return made


def run(page: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", "--page", str(page), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_block_is_written_with_its_machine_and_the_prose_stays(tmp_path: Path) -> None:
    made = page(tmp_path, TABLE.replace("18.4", "9.2"), OTHER)
    assert run(made, "--write").returncode == 0
    text = made.read_text()
    assert re.fullmatch(r"Before.*\| step \| 9\.2 \| 0\.60.*\nAfter\.\n", text, re.DOTALL)
    assert f" -->\n\nMeasured on {machine()}.\n\n| case |" in text
    assert OTHER not in text
    again = made.read_text()
    assert run(made, "--write").returncode == 0
    assert made.read_text() == again


def test_a_comparison_names_what_changed_alone(tmp_path: Path) -> None:
    made = page(tmp_path, TABLE.replace("0.60 (0.57 to 0.61)", "0.50 (0.48 to 0.52)").replace("18.4", "19.0"))
    before, found = made.read_text(), run(made, "--compare")
    assert found.returncode == 1
    assert "  step, 1 thread: ratio: 0.60 (0.57 to 0.61) → 0.50 (0.48 to 0.52)\n1 cells differ" in found.stdout
    assert made.read_text() == before


def test_a_command_that_fails_or_is_not_there_is_said(tmp_path: Path) -> None:
    made = page(tmp_path, TABLE)
    before = made.read_text()
    (tmp_path / "printing.py").write_text("raise SystemExit(3)")
    found = run(made, "--write")
    assert found.returncode == 1
    assert "printing.py ended with 3 and printed no table" in found.stderr
    assert made.read_text() == before
    assert "no block has nothing in its command; there are:" in run(made, "--write", "--only", "nothing").stderr


@pytest.mark.parametrize(
    ("cell", "now", "count"),
    [
        ("1,200", "1,400", 0),
        ("1,200", "1,600", 1),
        ("0.42 (0.40 to 0.44)", "0.43 (0.44 to 0.45)", 0),
        ("step", "st", 8),
    ],
)
def test_cells_that_differ(cell: str, now: str, count: int) -> None:
    assert len(list(differences(TABLE, TABLE.replace(cell, now), 0.25, exact=False))) == count


def test_of_a_counted_block_every_other_text_differs() -> None:
    now = TABLE.replace("1,200", "1,201")
    assert not list(differences(TABLE, now, 0.25, exact=False))
    assert list(differences(TABLE, now, 0.25, exact=True)) == ["step, 2 threads: ms: 1,200 → 1,201"]
    assert tables(TABLE)["step", "2 threads: ratio"] == "0.42 (0.40 to 0.44)"


def test_rows_of_one_name_are_two() -> None:
    again = f"{TABLE}| step | 2 | 3 | 4 | 5 |\n"
    assert list(differences(again, again.replace("| 2 |", "| 9 |"), 0.25, exact=False)) == [
        "step, number 2, 1 thread: ms: 2 → 9"
    ]


def test_a_block_of_another_machine_is_not_compared(tmp_path: Path) -> None:
    made = page(tmp_path, TABLE.replace("18.4", "9.2"), OTHER)
    found = run(made, "--compare")
    assert found.returncode == 1
    assert f"printing.py, measured on {OTHER}." in found.stdout
    assert f"none of these blocks was measured on this machine, {machine()}" in found.stderr
    counted = Block("python -c pass", "", kind="counted")
    made.write_text(made.read_text() + counted.text + page(tmp_path, TABLE).read_text())
    assert "0 cells differ" in run(made, "--compare", "--only", "printing").stdout


ON_THE_PAGE = blocks(PAGE.read_text(), [""])


def test_the_page_is_what_its_blocks_say() -> None:
    """No comment opens a block that is not read."""
    assert len(ON_THE_PAGE) == len(re.findall(r"<!-- (?:measured|counted):", PAGE.read_text()))


@pytest.mark.parametrize("block", ON_THE_PAGE, ids=lambda block: block.command)
def test_a_block_names_a_machine_if_it_was_measured(block: Block) -> None:
    assert ("|" in block.content) or block.content.strip() == NOT_YET
    assert (block.machine is None) == (block.is_counted or block.content.strip() == NOT_YET)


@pytest.mark.parametrize("block", ON_THE_PAGE, ids=lambda block: block.command)
def test_a_command_of_the_page_is_one_that_its_program_takes(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its help comes after its arguments were read."""
    python, option, module, *arguments = shlex.split(block.command)
    assert (python, option) == ("python", "-m")
    monkeypatch.setattr(sys, "argv", [module, *arguments, "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / f"{module.replace('.', '/')}.py"), run_name="__main__")
    assert ended.value.code == 0


@pytest.fixture
def committed_locks() -> None:
    """The page counts what git has. `make demo` changes the locks, as another processor rounds differently."""
    changed = subprocess.run(["git", "diff", "--name-only", "HEAD", "--", "*dvc.lock"], cwd=ROOT, capture_output=True)
    if changed.stdout:
        pytest.skip(f"locks differ from the last commit: {changed.stdout.decode().split()}")


@pytest.mark.usefixtures("committed_locks")
@pytest.mark.parametrize("block", [block for block in ON_THE_PAGE if block.is_counted], ids=lambda block: block.command)
def test_what_is_counted_is_so(block: Block, capsys: pytest.CaptureFixture[str]) -> None:
    _, _, module, *_ = block.command.split()
    importlib.import_module(module).main()
    printed = capsys.readouterr().out.strip()
    assert printed == block.content.strip(), f"write it anew: python -m benchmarks --write --only {module}"


@pytest.mark.usefixtures("committed_locks")
def test_stages_that_a_fork_would_start_are_those_of_the_four_locks() -> None:
    count = stages(ROOT, *PIPELINES)
    seconds = float(re.search(r"would save ([\d.]+) of these seconds", unwrapped())[1])  # type: ignore[index]
    assert f"{count} stages that the first four locks list: {seconds * count / 60:.1f} core minutes" in unwrapped()


def unwrapped() -> str:
    """The page's text in one line."""
    return " ".join(PAGE.read_text().split())


def wdir_of(lock: Path, stage: str) -> str:
    """The folder that a stage's paths start from, as its dvc.yaml has it."""
    kind, _, item = stage.partition("@")
    return str(pipeline(lock.with_name("dvc.yaml"))[kind].get("wdir", ".")).replace("${item}", item)


@cache
def pipeline(file: Path) -> dict[str, Any]:
    return groups(file)


def test_every_stage_of_the_costs_has_its_outputs_counted_once() -> None:
    """Outputs are files of the folder of their stage: no two stages of all locks have one, so that none adds twice."""
    found = [
        (lock.parent / wdir_of(lock, name) / out["path"]).resolve()
        for lock in locks(ROOT, *LOCKED)
        for name, locked in YAML(typ="safe").load(lock.read_text())["stages"].items()
        for out in locked.get("outs", [])
    ]
    assert len(found) == len(set(found)) > 1000
    costs = pd.read_csv(ROOT / "reports/costs.csv")["stage"]
    assert set(costs) <= set(sizes().index)
    checkpoints = sizes()[costs[costs.str.startswith("sweeps/after_grokking/dvc.yaml:train@")]]
    assert (checkpoints > 100).all()  # networks, whose lock is in a folder of sweeps


def test_a_timed_command_that_fails_shows_the_last_that_it_printed() -> None:
    program = "print(*range(100), sep='\\n'); raise SystemExit(3)"
    with pytest.raises(SystemExit, match=r"ended with 3, after printing\n70\n(.|\n)*99\n"):
        cpu_seconds(ROOT, sys.executable, "-c", program)
    assert 0 < cpu_seconds(ROOT, sys.executable, "-c", "print('a')") < 10
