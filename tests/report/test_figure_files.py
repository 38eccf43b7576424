"""A PNG is drawn where its figure's SVG or its own file changed, and nowhere else."""

from pathlib import Path
from typing import Any

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from sedlib.report.drawn.figure_files import save_figures


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


def pngs(drawn: list[str]) -> int:
    return sum(name.endswith("png") for name in drawn)


def test_only_what_changed_is_drawn_again(tmp_path: Path, drawn: list[str]) -> None:
    first = save_figures({"a": figure(), "b": figure()}, tmp_path)
    bytes_of_a = (tmp_path / "a.png").read_bytes()
    assert pngs(drawn) == 2
    assert save_figures({"a": figure(), "b": figure()}, tmp_path) == first
    assert pngs(drawn) == 2
    save_figures({"a": figure(), "b": figure(4.0)}, tmp_path)
    assert pngs(drawn) == 3
    save_figures({"a": figure(unit="K"), "b": figure(4.0)}, tmp_path)
    assert pngs(drawn) == 4
    (tmp_path / "a.png").write_bytes(b"damaged")
    save_figures({"a": figure(), "b": figure(4.0)}, tmp_path)
    assert pngs(drawn) == 5
    assert (tmp_path / "a.png").read_bytes() == bytes_of_a


@pytest.mark.parametrize("record", ["", "[]", '{"a": 3}'])
def test_without_a_record_all_is_drawn(tmp_path: Path, record: str, drawn: list[str]) -> None:
    save_figures({"a": figure()}, tmp_path)
    (tmp_path / "drawn.json").write_text(record)
    save_figures({"a": figure()}, tmp_path)
    assert pngs(drawn) == 2


def test_a_damaged_svg_is_replaced(tmp_path: Path) -> None:
    save_figures({"a": figure()}, tmp_path)
    before = (tmp_path / "a.svg").read_bytes()
    (tmp_path / "a.svg").write_bytes(b"damaged")
    save_figures({"a": figure()}, tmp_path)
    assert (tmp_path / "a.svg").read_bytes() == before
