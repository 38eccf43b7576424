"""A figure is drawn where its content or its files changed, and nowhere else."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from sedlib.report.drawn.figure_files import content_key, save_figures
from tests.imports import ROOT


def figure(height: float = 3.0, unit: str = "%") -> Figure:
    """One with what figures of the report have: transforms, a constrained layout, a function made inside."""
    made = Figure(layout="constrained")
    axes: Axes = made.subplots()
    axes.plot([1, 2, 3], [1, height, 2], label="a")
    axes.axvspan(1, 2, alpha=0.3)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value}{unit}"))
    axes.legend()
    return made


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are drawn."""
    names: list[str] = []
    draw = Figure.savefig

    def counted(figure: Figure, path: Path, **options: Any) -> None:
        names.append(f"{len(names)}.{options['format']}")
        draw(figure, path, **options)

    monkeypatch.setattr(Figure, "savefig", counted)
    return names


def test_only_what_changed_is_drawn_again(tmp_path: Path, drawn: list[str]) -> None:
    first = save_figures({"a": figure(), "b": figure()}, tmp_path)
    bytes_of_a = (tmp_path / "a.png").read_bytes()
    assert len(drawn) == 4
    assert save_figures({"a": figure(), "b": figure()}, tmp_path) == first
    assert len(drawn) == 4
    save_figures({"a": figure(), "b": figure(4.0)}, tmp_path)
    assert len(drawn) == 6
    (tmp_path / "a.png").write_bytes(b"damaged")
    save_figures({"a": figure(), "b": figure(4.0)}, tmp_path)
    assert len(drawn) == 8
    assert (tmp_path / "a.png").read_bytes() == bytes_of_a


@pytest.mark.parametrize("record", ["", "[]", '{"a": 3}'])
def test_without_a_record_all_is_drawn(tmp_path: Path, record: str, drawn: list[str]) -> None:
    save_figures({"a": figure()}, tmp_path)
    (tmp_path / "drawn.json").write_text(record)
    save_figures({"a": figure()}, tmp_path)
    assert len(drawn) == 4


def test_a_key_tells_every_part_and_is_equal_in_every_process() -> None:
    here = content_key(figure())
    others = [figure(height=4.0), figure(unit="K"), Figure()]
    assert len({here, *map(content_key, others)}) == 4
    program = "from tests.report.test_figure_files import *; print(content_key(figure()))"
    command = [sys.executable, "-c", program]
    found = subprocess.run(command, cwd=ROOT, env={"PYTHONHASHSEED": "7"}, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == here
