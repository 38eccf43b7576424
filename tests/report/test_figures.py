from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sedlib.report.drawn.panels import save
from sedlib.report.drawn.run_figures import draw
from sedlib.report.numbers.results import RunResults


def results(ops: list[str], window: int = 3) -> RunResults:
    steps = [0, 10, 20, 30]
    training = pd.DataFrame(
        [
            {"step": step, "op": op, "train_accuracy": 1.0, "test_accuracy": 0.99 if step > 10 else 0.1}
            for step in steps
            for op in ops
        ]
    )
    ladder = ["ladder/momentum", "ladder/adam-direction"]
    streams = ["update", *(f"gradient/{op}" for op in ops), *(["gradient/total"] if len(ops) > 1 else []), *ladder]
    spectra = pd.DataFrame(
        [
            {"step": step, "stream": stream, "window": window, "k_star": 1, "ratio23": 1.5, "g23": 2.0}
            for stream in streams
            for step in steps
        ]
    )
    centroids = pd.DataFrame(
        [
            {"step": step, "op": op, "centroid": kind, "rank90": 60}
            for step in steps
            for op in ops
            for kind in ("logit", "full")
        ]
    )
    coupling = pd.DataFrame(
        [
            {"step": step, "op": op, "stream": stream, "window": size, "direction": 1, "ratio": 10.0}
            for step in steps
            for op in ops
            for stream in streams
            for size in {1, window}
            if stream in ("update", "gradient/total", f"gradient/{op}") or stream.startswith("ladder/")
        ]
    )
    fourier = pd.DataFrame(
        [
            {"step": step, "op": op, "basis": basis, "component": component, "r2": 0.3, "frequency": 5}
            for step in steps
            for op in ops
            for basis in (("additive", "discrete-log") if op == "mul" else ("additive",))
            for component in (1, 2, 3)
        ]
    )
    losses = pd.DataFrame(
        [
            {"step": step, "op": op, "loss": 2.0, "restricted_loss": 1.0, "train_loss": 0.5, "excluded_loss": 3.0}
            for step in steps
            for op in ops
        ]
    )
    return RunResults(training, spectra, centroids, coupling, {"fourier": fourier, "restricted_loss": losses})


def test_equal_tables_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        save(draw(results(["add"]), "add-42", 0.98), tmp_path / name)
    names = sorted(path.name for path in (tmp_path / "first").iterdir())
    assert names == [
        "accuracy.svg",
        "coupling.svg",
        "fourier.svg",
        "gaps.svg",
        "ladder.svg",
        "rank90.svg",
        "restricted_loss.svg",
    ]
    for name in names:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_coupling_is_on_a_log_axis_with_baseline_and_grok_step() -> None:
    figure = draw(results(["add"]), "add-42", 0.98)["coupling"]
    (axes,) = figure.axes
    assert axes.get_yscale() == "log"
    lines = {line.get_label(): line for line in axes.lines}
    assert np.asarray(lines["random direction (1)"].get_ydata()).tolist() == [1, 1]
    assert np.asarray(lines["grok step"].get_xdata()).tolist() == [20, 20]
    assert {"gradient alone, W = 1", "gradient SED, W = 3", "update SED, W = 3"} <= set(lines)


def test_a_panel_per_operation_with_one_colour_per_stream() -> None:
    figure = draw(results(["add", "mul", "sq"]), "multitask-42", 0.98)["coupling"]
    panels = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title("left") for axes in panels] == ["add", "mul", "sq"]
    colours = [{line.get_label(): line.get_color() for line in axes.lines} for axes in panels]
    assert colours[0] == colours[1] == colours[2]
    assert "aggregate gradient SED, W = 3" in colours[0]
    assert len(set(colours[0].values())) == len(colours[0]) - 1  # baseline and grok step are both black


@pytest.mark.parametrize("window", [1, 2])
def test_windows_too_short_for_gaps_can_be_drawn(window: int) -> None:
    tables = results(["add"], window)
    empty = tables.spectra.assign(k_star=None, ratio23=None, g23=None)
    figures = draw(replace(tables, spectra=empty), "add-42", 0.98)
    labels = [str(line.get_label()) for line in figures["coupling"].axes[0].lines]
    assert sum("gradient" in label for label in labels) == window


def test_more_operations_than_colours_can_be_told_apart() -> None:
    ops = [f"op{i}" for i in range(6)]
    axes = draw(results(ops), "many-42", 0.98)["gaps"].axes[0]
    streams = [line for line in axes.lines if "/" in str(line.get_label()) or line.get_label() == "update"]
    assert len({(line.get_color(), line.get_linestyle()) for line in streams}) == len(streams) == 8


def test_the_ladder_falls_from_gradient_to_update_in_its_order() -> None:
    axes = draw(results(["add", "mul"]), "both-42", 0.98)["ladder"].axes[-1]
    labels = [label.get_text().replace("\n", " ") for label in axes.get_xticklabels()]
    assert labels == ["gradient, fixed batch", "aggregate gradient", "momentum", "Adam direction", "update"]
    heights = [
        np.asarray(line.get_ydata()).tolist() for line in axes.lines if line.get_label() != "random direction (1)"
    ]
    assert heights[0] == [10.0] * 5


def test_the_ladder_of_a_run_that_never_groks_says_so() -> None:
    axes = draw(results(["add"]), "add-42", 0.999)["ladder"].axes[0]
    assert [text.get_text() for text in axes.texts] == ["never groks"]


def test_the_logarithm_is_drawn_for_products_only() -> None:
    panels = draw(results(["add", "mul"]), "both-42", 0.98)["fourier"].axes
    labels = [{str(line.get_label()) for line in axes.lines} for axes in panels[:2]]
    assert not any("discrete-log" in label for label in labels[0])
    assert "PC 1, discrete-log basis" in labels[1]


def test_a_run_that_never_groks_has_no_grok_step() -> None:
    figure = draw(results(["add"]), "add-42", 0.999)["accuracy"]
    assert "grok step" not in {line.get_label() for line in figure.axes[0].lines}
