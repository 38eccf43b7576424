"""Rows of a folder that is there already: what is believed of them, what is added, and what sketches still give."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

import sedlib
from sedlib.base.errors import UserError
from sedlib.own.kept_couplings import KeptCouplings
from sedlib.own.measure_run import measure
from sedlib.own.row_folder import RowFolder
from sedlib.own.run_streams import RunStream, run_streams
from sedlib.own.sketched_bases import FoundBasis
from sedlib.own.step_file import RowFolderError
from sedlib.own.taking.rows_again import RowsAgain
from sedlib.own.taking.run_losses import Tasks
from sedlib.own.taking.taken_rows import take_rows
from sedlib.saved.saved_checkpoints import Checkpoints
from sedlib.sketches.sketch import CountSketch
from sedlib.vectors import ParamLayout
from tests.own.small_run import BATCH, LOSSES, PROBES, STEPS, TASKS, H, Network, measured, train

pytestmark = pytest.mark.usefixtures("production")

KEY = ["step", "task", "stream", "window"]
SKETCH = CountSketch(40)
"""Of rows of 60 numbers."""
OTHER = (H.flip(1), BATCH[1])
FEW: dict[str, Any] = {"random": 3, "matched": 0, "permutations": 0, "windows": (1, 2)}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    train(folder)
    return folder


@pytest.fixture(scope="module")
def table(run: Path, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return measured(run, matched=0)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows at twice as many steps as there are states, with the optimizer's."""
    folder, network = tmp_path_factory.mktemp("recorded"), Network()
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.05)

    def losses(network: nn.Module) -> dict[str, Tensor]:
        return {task: loss(network, BATCH) for task, loss in LOSSES.items()}

    slots = ParamLayout.select(network, "first.weight", "second.weight")
    with sedlib.Recorder(folder / "rows", network, losses, slots=slots, every=5, optimizer=optimizer) as recorder:
        recorder.after(0)
        for step in range(1, STEPS[-1] + 1):
            optimizer.zero_grad()
            sum(losses(network).values()).backward()  # type: ignore[union-attr]
            optimizer.step()
            recorder.after(step)
            if step in STEPS:
                torch.save(network.state_dict(), folder / f"step-{step}.pt")
    return folder


def assert_ratios_are(found: pd.DataFrame, expected: pd.DataFrame, rel: float) -> None:
    both = expected.merge(found, on=KEY, suffixes=("", "_found"))
    assert len(both) == len(expected)
    for name in ("ratio", "permuted_mean"):
        known = both[name].notna()
        assert (known == both[f"{name}_found"].notna()).all()
        np.testing.assert_allclose(both.loc[known, f"{name}_found"], both.loc[known, name], rtol=rel)


def test_sketches_give_the_ratios_of_the_rows(run: Path, table: pd.DataFrame, tmp_path: Path) -> None:
    found = measured(run, matched=0, sketch=SKETCH, rows=tmp_path)
    assert_ratios_are(found, table, rel=1e-3)  # as many vectors are kept as a window has rows
    assert found["basis_error"].max() < 1e-6
    assert RowFolder(tmp_path, LAYOUT, sketch=SKETCH).stream("update").shape == (3, SKETCH.buckets)
    again = measured(run, matched=0, sketch=SKETCH, rows=tmp_path)
    pd.testing.assert_frame_equal(again, found)
    with pytest.raises(RowFolderError, match=r'of other sketch: expected null, found \{"buckets": 40'):
        measured(run, matched=0, rows=tmp_path)


LAYOUT = ParamLayout.select(Network(), "first.weight", "second.weight")


def streams_of(run: Path, folder: RowFolder) -> dict[str, RunStream]:
    checkpoints, tasks = Checkpoints(run), Tasks(LOSSES, [BATCH])
    take_rows(checkpoints, Network(), tasks, [], folder)
    again = RowsAgain(checkpoints, Network(), folder, tasks, [])
    return {stream.name: stream for stream in run_streams(folder, TASKS, [4], 1, again)}


def test_the_error_of_a_sketched_basis_is_about_the_one_that_is_told(run: Path, tmp_path: Path) -> None:
    exact = streams_of(run, RowFolder(tmp_path / "rows", LAYOUT))["gradient/total"].basis(30, 4)
    assert isinstance(exact, FoundBasis)
    sines = []
    for seed in range(12):
        folder = RowFolder(tmp_path / str(seed), LAYOUT, sketch=CountSketch(40, seed))
        found = streams_of(run, folder)["gradient/total"].basis(30, 4)
        assert isinstance(found, FoundBasis)
        sine = (found.directions - found.directions @ exact.directions.T @ exact.directions).norm()
        assert 1e-4 < found.error < 0.3
        sines.append(float(sine) / found.error)
    assert 0.2 < torch.tensor(sines).square().mean().sqrt() < 3


def test_what_sketches_do_not_give_is_refused_or_has_a_reason(run: Path, recorded: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="sketch: expected fewer buckets than the 60 numbers of a row, got 60"):
        measured(run, sketch=CountSketch(60))
    with pytest.raises(UserError, match=r"sketch: expected sedlib.Checkpoints beside it, got a function"):
        measure(lambda: [], Network(), LOSSES, [BATCH], PROBES, slots=LAYOUT, sketch=SKETCH)
    folder, whole = RowFolder(tmp_path, LAYOUT, sketch=SKETCH), RowFolder(recorded / "rows", LAYOUT)
    for step in whole.steps:
        folder.append(step, {name: whole.row(step, name) for name in whole.names(step)})
    found = measure(
        Checkpoints(recorded), Network(), LOSSES, [BATCH], PROBES, slots=LAYOUT, rows=tmp_path, sketch=SKETCH, **FEW
    )
    reasons = found[found["step"] == 30].groupby(["stream", "window"])["reason"].first()
    assert "a row of the optimizer cannot be taken again" in reasons["ladder/momentum", 1]
    assert "steps '25' have no checkpoint" in reasons["gradient/sign", 2]
    assert "steps '25' have no checkpoint" in reasons["update", 1]
    assert reasons["gradient/sign", 1] is None or pd.isna(reasons["gradient/sign", 1])


def test_a_recorders_rows_have_the_ladder_and_get_the_nulls(recorded: Path) -> None:
    options: dict[str, Any] = {**FEW, "permutations": 3, "slots": LAYOUT}
    found = measure(Checkpoints(recorded), Network(), LOSSES, [BATCH], PROBES, rows=recorded / "rows", **options)
    alone = measure(Checkpoints(recorded), Network(), LOSSES, [BATCH], PROBES, **options)
    rungs = {"ladder/momentum", "ladder/adam-direction", "ladder/step-without-decay", "ladder/step"}
    assert rungs < set(found["stream"])
    last = found[(found["step"] == 30) & (found["window"] == 1)]
    assert last["ratio"].notna().all()
    one = (alone["window"] == 1) & alone["stream"].str.startswith("gradient")
    assert_ratios_are(found[found["window"] == 1], alone[one], rel=1e-3)
    own = found["stream"] == "gradient/" + found["task"]
    assert (found.loc[own & (found["window"] == 1), "permuted_n"] == 3).all()
    assert RowFolder(recorded / "rows", LAYOUT).steps == list(range(0, 31, 5))


def other_batch(h: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    return h.flip(0), targets


@pytest.mark.parametrize("change", ["batch", "loss", "run", "seed", "every second checkpoint"])
def test_rows_of_another_run_or_batch_are_refused(change: str, run: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {**FEW, "permutations": 2, "slots": LAYOUT, "rows": tmp_path / "rows"}
    checkpoints = Checkpoints(run)
    second = [saved.place for saved in checkpoints][::2]
    first = Checkpoints(second) if change == "every second checkpoint" else checkpoints
    measure(first, Network(), LOSSES, [BATCH], PROBES, **{**options, "windows": (1,)})
    for file in (tmp_path / "rows").glob("state-*"):
        file.unlink()  # as of rows that a recorder took
    losses = {**LOSSES, "half": lambda module, batch: 2 * LOSSES["half"](module, batch)} if change == "loss" else LOSSES
    if change == "run":  # of the same first step
        for step in STEPS:
            state = torch.load(run / f"step-{step}.pt", weights_only=True)["model"]
            state["first.weight"] += 0.1 * (step == STEPS[-1])
            torch.save(state, tmp_path / f"step-{step}.pt")
        checkpoints = Checkpoints(tmp_path)
    batch = other_batch(*BATCH) if change == "batch" else BATCH
    stream = {"seed": "permuted/0/sign", "run": "update", "every second checkpoint": "update"}.get(change, "gradient/")
    with pytest.raises(UserError, match=rf"step \d+: .*'{stream}.* is there, and differs by .* of its norm"):
        measure(checkpoints, Network(), losses, [batch], PROBES, **options, seed=int(change == "seed"))


def test_a_stopped_call_goes_on_and_measures_no_checkpoint_twice(run: Path, tmp_path: Path) -> None:
    calls = 0

    def scores(module: nn.Module, h: Tensor, targets: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        if calls == stop:
            raise KeyboardInterrupt
        return scale * PROBES.scores(module, h, targets)

    def again() -> pd.DataFrame:
        return measured(run, **FEW, response="difference", rows=tmp_path, probes=replace(PROBES, scores=scores))

    stop, scale = 10**9, 1.0
    whole = again()
    in_all, calls = calls, 0
    for file in sorted(tmp_path.glob("coupling-*"))[2:]:
        file.unlink()
    stop = in_all - 20
    whole_again = again()
    pd.testing.assert_frame_equal(whole_again, whole)
    assert calls < 0.8 * in_all
    calls, stop = 0, 10**9
    scale = 2.0  # other scores are measured anew
    pd.testing.assert_series_equal(again()["random_median"], 4 * whole["random_median"], rtol=1e-3)


@pytest.mark.parametrize("text", ["", "[]", '{"settings": 1}', '{"responses": [null]}'])
def test_a_broken_measurement_is_made_again(text: str, tmp_path: Path) -> None:
    kept = KeptCouplings(tmp_path, {"rank": 1})
    kept.keep(5, {5: "0a"}, [1.0], [{"ratio": float("nan")}])
    assert kept.found(5, {5: "0a"}, [1.0]) is not None
    assert KeptCouplings(tmp_path, {"rank": 2}).found(5, {5: "0a"}, [1.0]) is None
    next(tmp_path.glob("coupling-*")).write_text(text)
    assert kept.found(5, {5: "0a"}, [1.0]) is None


def test_what_is_announced_counts_the_ladder_and_the_nulls(recorded: Path, capfd: pytest.CaptureFixture[str]) -> None:
    options: dict[str, Any] = {**FEW, "rank": 2, "matched": 4, "permutations": 3, "slots": LAYOUT, "measured": 1}
    rows = RowFolder(shutil.copytree(recorded / "rows", recorded / "announced"), LAYOUT)
    for step in rows.steps:
        rows.append(step, {name: rows.row(step, name) for name in rows.names(step) if not name.startswith("permuted")})
    for gradients in (3 * 3, 0):  # of three checkpoints; in the second call all are there
        measure(Checkpoints(recorded), Network(), LOSSES, [BATCH], PROBES, rows=rows.path, **options)
        streams, nulls = 2 + 1 + 1 + 4, 3 * 2  # tasks, their sum, the update, the ladder
        responses = 3 + (streams + nulls) * (1 + 2) + streams * 2 * 4
        assert f"({gradients} gradients, {responses} responses)" in capfd.readouterr().err


def test_what_is_not_finite_is_left_out_with_a_reason(run: Path, tmp_path: Path) -> None:
    for step in STEPS:
        state = torch.load(run / f"step-{step}.pt", weights_only=True)["model"]
        if step == 30:
            state["first.weight"][0] = float("nan")
        state["heads.1.bias"][0] = MARK if step == 10 else 0
        torch.save(state, tmp_path / f"step-{step}.pt")
    with pytest.warns(UserWarning, match="step") as warned:
        found = measured(tmp_path, **{**FEW, "measured": None}, tasks={"sign": LOSSES["sign"], "half": huge})
    texts = [str(warning.message) for warning in warned]
    assert any("step 30: no row is taken: not finite in the parameters 'first.weight'" in text for text in texts)
    assert any("step 10: 'gradient/half' is not taken: not finite in" in text for text in texts)
    assert sorted(found["step"].unique()) == [0, 10, 20]
    at = found[(found["step"] == 10) & (found["stream"] == "gradient/half")]
    assert at["reason"].str.contains("not finite").all()
    assert found.loc[(found["step"] == 20) & (found["window"] == 1), "ratio"].notna().all()


MARK = 7.0


def huge(module: Any, batch: Any) -> Tensor:
    """Infinite at one checkpoint."""
    return LOSSES["half"](module, batch) * (float("inf") if float(module.heads[1].bias[0]) == MARK else 1)


def test_windows_that_do_not_fit_are_told(run: Path) -> None:
    with pytest.raises(UserError, match="windows: '9' rows are longer than the run of 4 checkpoints; choose shorter"):
        measured(run, windows=(9,))
    with pytest.warns(UserWarning, match="windows: '9' rows are longer than the run of 4 checkpoints, so the table"):
        found = measured(run, **{**FEW, "windows": (1, 9)})
    assert set(found["window"]) == {1}
