"""A page of measurements: its blocks are written and compared by the commands that it names itself."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.compared import differences, tables
from benchmarks.machine import machine
from benchmarks.page import PAGE, blocks
from tests.imports import ROOT

TABLE = """
| case | 1 thread: ms | ratio | 2 threads: ms | ratio |
|---|---|---|---|---|
| step | 18.4 | 0.60 (0.57 to 0.61) | 1,200 | 0.42 (0.40 to 0.44) |
"""


def page(tmp_path: Path, printed: str) -> Path:
    """A stand-in: a block whose command prints ``printed``, between prose."""
    (tmp_path / "printing.py").write_text(f"print('''{printed}''')")
    command = f"python {tmp_path / 'printing.py'}"
    made = tmp_path / "page.md"
    made.write_text(f"Before, on {machine()}.\n\n<!-- measured: {command} -->\n{TABLE}<!-- /measured -->\n\nAfter.\n")
    return made


def run(page: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", "--page", str(page), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_block_is_written_and_the_prose_stays(tmp_path: Path) -> None:
    made = page(tmp_path, TABLE.replace("18.4", "9.2"))
    assert run(made, "--write").returncode == 0
    text = made.read_text()
    assert re.fullmatch(r"Before.*\| step \| 9\.2 \| 0\.60.*\nAfter\.\n", text, re.DOTALL)
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
    assert (
        "no measured block has nothing in its command; there are:" in run(made, "--write", "--only", "nothing").stderr
    )


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
    assert len(list(differences(TABLE, TABLE.replace(cell, now), 0.25, ratios_alone=False))) == count


def test_of_another_machine_ratios_alone_are_compared() -> None:
    assert not list(differences(TABLE, TABLE.replace("1,200", "9"), 0.25, ratios_alone=True))
    assert tables(TABLE)["step", "2 threads: ratio"] == "0.42 (0.40 to 0.44)"


def test_every_command_of_the_page_is_a_program_with_help() -> None:
    for block in blocks(PAGE.read_text(), [""]):
        _, _, module, *_ = block.command.split()
        assert (ROOT / f"{module.replace('.', '/')}.py").exists(), block.command
        assert "|" in block.content or "machine" in module, block.command
