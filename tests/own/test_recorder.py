"""A recorded loop trains as it would without, and its folder is whole and true whatever ends the process."""

import random
import time
import warnings
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

import sedlib
from sedlib.base.errors import UserError
from sedlib.own.step_file import RowFolderError

INPUTS = torch.randn(12, 3, generator=torch.Generator().manual_seed(1))
BATCHES = [INPUTS[:5], INPUTS[5:10], INPUTS[10:]]


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Dropout(0.2))
        self.heads = nn.ModuleList([nn.Linear(4, 1), nn.Linear(4, 2)])

    def forward(self, x: Tensor) -> list[Tensor]:
        z = self.trunk(x)
        return [head(z) for head in self.heads]


def losses(network: nn.Module, batch: Tensor) -> dict[str, tuple[Tensor, int]]:
    one, two = network(batch)
    return {"one": (one.square().sum(), len(batch)), "two": (two.exp().sum(), len(batch))}


def made(seed: int = 0) -> tuple[Network, torch.optim.Optimizer]:
    torch.manual_seed(seed)
    network = Network()
    return network, torch.optim.AdamW(network.parameters(), lr=0.01, weight_decay=0.1)


def train(
    network: nn.Module, optimizer: torch.optim.Optimizer, steps: range, after: Callable[[int], Any] = lambda step: None
) -> list[float]:
    """A loop that draws random numbers in all three ways; the losses it saw."""
    seen = []
    for step in steps:
        batch = INPUTS[torch.randperm(len(INPUTS))[:6]] * random.random() + np.random.standard_normal()  # noqa: NPY002
        optimizer.zero_grad()
        loss = torch.stack([output.square().mean() for output in network(batch.float())]).sum()
        loss.backward()
        optimizer.step()
        seen.append(float(loss.detach()))
        after(step)
    return seen


def recorder_of(folder: Path, network: nn.Module, **arguments: Any) -> sedlib.Recorder:
    slots = sedlib.ParamLayout.select(network, "trunk.0.*", "heads.*")
    chosen: dict[str, Any] = {"slots": slots, "batches": BATCHES, "every": 2} | arguments
    return sedlib.Recorder(folder, network, losses, **chosen)


def seeded() -> None:
    random.seed(3)
    np.random.seed(3)  # noqa: NPY002
    torch.manual_seed(3)


def bytes_of(network: nn.Module, optimizer: torch.optim.Optimizer) -> list[Tensor]:
    moments = [value for state in optimizer.state.values() for value in state.values()]
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    return [*network.state_dict().values(), *moments, *gradients]


def test_training_is_the_same_with_and_without(tmp_path: Path) -> None:
    ended = []
    for records in (False, True):
        network, optimizer = made()
        network.trunk[3].eval()  # a mode of its own
        loader: Any = DataLoader(cast(Any, INPUTS), batch_size=5)  # draws a seed at each pass
        with recorder_of(tmp_path, network, batches=loader, optimizer=optimizer) as recorder:
            seeded()
            train(network, optimizer, range(1, 7), recorder.after if records else lambda step: None)
        state = bytes_of(network, optimizer)
        ended.append([*state, torch.tensor([random.random(), np.random.standard_normal()]), torch.rand(2)])  # noqa: NPY002
        assert [module.training for module in (network, network.trunk[3])] == [True, False]
    differing = [i for i, (one, other) in enumerate(zip(*ended, strict=True)) if not torch.equal(one, other)]
    assert differing == []
    assert len(ended[0]) == len(ended[1])


def test_rows_are_gradients_and_updates_of_the_recorded_steps(tmp_path: Path) -> None:
    network, optimizer = made()
    recorder = recorder_of(tmp_path / "rows", network, steps=[0, 1, 4], every=None, states=tmp_path / "states")
    slots = recorder.rows.layout
    thetas, gradients = {}, {}

    def after(step: int) -> None:
        recorder.after(step)
        thetas[step] = slots.flatten(network.state_dict())
        gradients[step] = sedlib.task_gradients(losses, network, slots, batches=BATCHES)

    after(0)
    train(network, optimizer, range(1, 6), after)
    rows = sedlib.RowFolder(tmp_path / "rows", slots)
    assert rows.steps == [0, 1, 4]
    update = rows.stream("update")
    assert update.steps == [1, 4]
    whole = slice(None)
    np.testing.assert_array_equal(update[whole, whole], torch.stack([thetas[1] - thetas[0], thetas[4] - thetas[1]]))
    for task in ("one", "two"):
        expected = torch.stack([gradients[step][task] for step in rows.steps])
        np.testing.assert_array_equal(rows.stream(f"gradient/{task}")[whole, whole], expected)
    total = torch.stack([gradients[step]["one"] + gradients[step]["two"] for step in rows.steps])
    np.testing.assert_array_equal(rows.stream("gradient/total")[whole, whole], total)
    saved = sedlib.Checkpoints(tmp_path / "states")
    assert saved.steps == [0, 1, 4]
    torch.testing.assert_close(slots.flatten(saved[2].state(network)), thetas[4], rtol=0, atol=0)


def test_the_ladder_is_of_the_last_step_with_its_learning_rate(tmp_path: Path) -> None:
    network, _ = made()
    slots = sedlib.ParamLayout.select(network, "trunk.0.*", "heads.*")
    decayed = [value for name, value in network.named_parameters() if name.endswith("weight")]
    others = [value for name, value in network.named_parameters() if not name.endswith("weight")]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.3}, {"params": others, "weight_decay": 0.0}])
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    with recorder_of(tmp_path, network, slots=slots, every=1, optimizer=optimizer) as recorder:
        recorder.after(0)
        assert recorder.rows.names(0) == ["gradient/one", "gradient/two"]

        def after(step: int) -> None:
            schedule.step()
            recorder.after(step)

        train(network, optimizer, range(1, 4), after)
    whole = slice(None)
    stepped, update = recorder.rows.stream("ladder/step"), recorder.rows.stream("update")
    np.testing.assert_allclose(stepped[whole, whole], update[whole, whole], atol=3e-7)
    momentum = slots.flatten({name: optimizer.state[value]["exp_avg"] for name, value in network.named_parameters()})
    np.testing.assert_array_equal(recorder.rows.stream("ladder/momentum")[2:3, whole][0], momentum)
    assert not optimizer._optimizer_step_post_hooks


@pytest.mark.parametrize("wrong", ["sgd", "amsgrad", "another"])
def test_an_optimizer_without_these_moments_is_refused(tmp_path: Path, wrong: str) -> None:
    network, _ = made()
    parameters = list((Network() if wrong == "another" else network).parameters())
    optimizer = (
        torch.optim.SGD(parameters, 0.1) if wrong == "sgd" else torch.optim.Adam(parameters, amsgrad=wrong == "amsgrad")
    )
    with pytest.raises(UserError, match=r"optimizer: (expected torch.optim.Adam|it does not move 'trunk.0.weight')"):
        recorder_of(tmp_path, network, optimizer=optimizer)


def test_a_row_that_is_not_finite_is_left_out_and_told(tmp_path: Path) -> None:
    network, optimizer = made()

    def broken(network: nn.Module, batch: Tensor) -> dict[str, tuple[Tensor, int]]:
        found = losses(network, batch)
        return {**found, "two": (found["two"][0] * (float("nan") if recorded == 2 else 1), 1)}

    slots = sedlib.ParamLayout.select(network, "*")
    recorder = sedlib.Recorder(tmp_path, network, broken, slots=slots, batches=BATCHES, every=1)
    for recorded in range(1, 4):
        expected = pytest.warns(UserWarning, match=r"step 2: 'gradient/two' is not recorded: not finite in 'trunk.0.w")
        with expected if recorded == 2 else warnings.catch_warnings():
            train(network, optimizer, range(recorded, recorded + 1), recorder.after)
    rows = sedlib.RowFolder(tmp_path, slots)
    assert rows.stream("gradient/one").steps == [1, 2, 3]
    assert rows.stream("gradient/two").steps == rows.stream("gradient/total").steps == [1, 3]
    assert rows.stream("update").steps == [2, 3]
    assert list(rows.left_out) == [2]
    assert "not finite" in rows.left_out[2]["gradient/two"]


def test_parameters_that_are_not_finite_leave_the_step_out(tmp_path: Path) -> None:
    network, optimizer = made()
    recorder = recorder_of(tmp_path, network, every=1)
    train(network, optimizer, range(1, 3), recorder.after)
    kept = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.no_grad():
        cast(nn.Linear, network.heads[0]).bias.fill_(float("nan"))
    with pytest.warns(UserWarning, match=r"step 3: no row is recorded: not finite in the parameters 'heads.0.bias'"):
        recorder.after(3)
    network.load_state_dict(kept)
    with pytest.warns(UserWarning, match="step 4: the parameters are those of step 2"):
        recorder_of(tmp_path, network, every=1).after(4)  # a new process goes on
    rows = recorder.rows.stream("update")
    assert rows.steps == [2, 4]
    np.testing.assert_array_equal(rows[1:2, 0:3], 0)  # from the last step whose parameters were finite


def test_a_loop_that_starts_again_goes_on_with_the_same_folder(tmp_path: Path) -> None:
    """Stopped at step 5, started again from what it kept at step 3."""
    network, optimizer = made()
    recorder_of(tmp_path / "once", network).after(0)
    once = recorder_of(tmp_path / "once", network)
    seeded()
    train(network, optimizer, range(1, 9), once.after)
    for stop, start in ((5, 1), (9, 6)):
        again, optimizer = made()
        recorder_of(tmp_path / "twice", again).after(0)
        recorder = recorder_of(tmp_path / "twice", again)
        seeded()
        train(again, optimizer, range(1, start))
        train(again, optimizer, range(start, stop), recorder.after)
    files = {file.name: file.read_bytes() for file in sorted((tmp_path / "once").iterdir())}
    assert {file.name: file.read_bytes() for file in sorted((tmp_path / "twice").iterdir())} == files
    assert list(files)[:2] == ["about.json", "parameters-000000008.safetensors"]


def test_another_trajectory_is_refused_or_replaces(tmp_path: Path) -> None:
    network, optimizer = made()
    train(network, optimizer, range(1, 9), recorder_of(tmp_path, network).after)
    other, optimizer = made(seed=1)
    train(other, optimizer, range(1, 4))
    with pytest.raises(RowFolderError, match=r"step 4: 'gradient/one' is there, and differs by .* on_restart='repl"):
        recorder_of(tmp_path, other).after(4)
    with pytest.raises(RowFolderError, match=r"step 5: this row is missing, and step 8 is"):
        recorder_of(tmp_path, other, every=5).after(5)
    replacing = recorder_of(tmp_path, other, on_restart="replace")
    replacing.after(3)
    assert replacing.rows.steps == [2]
    with pytest.warns(UserWarning, match="step 4: 'update' is not recorded: the parameters of step 2 are not kept"):
        train(other, optimizer, range(4, 7), replacing.after)
    assert replacing.rows.steps == [2, 4, 6]
    assert replacing.rows.stream("update").steps == [6]
    assert replacing.rows.left_out == {4: {"update": "the parameters of step 2 are not kept"}}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"every": None}, "every, steps: expected one of the two"),
        ({"steps": [1]}, "every, steps: expected one of the two"),
        ({"every": 0}, "every: expected a number of steps, got 0"),
        ({"dtype": "int8"}, "dtype: expected one of float32"),
        ({"on_restart": "Replace"}, "on_restart: expected one of compare, replace, got 'Replace'"),
        ({"every": None, "steps": []}, "steps: expected one or more, got none"),
        ({"every": None, "steps": [10**18]}, "step 1,000,000,000,000,000,000: expected 0 to 999,999"),
        ({"every": None, "steps": 5}, "steps: expected several whole numbers, got an int"),
        ({"every": None, "steps": "50"}, "steps: expected several whole numbers, got a str"),
        ({"states": ""}, "states: expected a folder, got '', which is no path"),
        ({"states": f"{__file__}/x"}, r"states: expected a folder.*test_recorder.py' is a file"),
        ({"slots": sedlib.ParamLayout(("module.a",), ((2,),))}, r"slots: 'module.a' not in the module; .*model.module"),
    ],
)
@pytest.mark.usefixtures("production")
def test_arguments_are_looked_at_first(tmp_path: Path, arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises((UserError, ValueError), match=problem):
        recorder_of(tmp_path / "rows", made()[0], **arguments)
    assert not (tmp_path / "rows").exists()


def test_rows_and_states_have_folders_of_their_own(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"states: expected another folder than the rows', .* files have the same names"
    ):
        recorder_of(tmp_path / "one", made()[0], states=tmp_path / "other/../one")
    with pytest.raises(UserError, match=r"^path: expected a folder.*test_recorder.py' is a file"):
        recorder_of(Path(__file__) / "x", made()[0])


@pytest.mark.usefixtures("production")
def test_steps_may_be_an_array_and_none_is_larger_than_a_name_holds(tmp_path: Path) -> None:
    recorder = recorder_of(tmp_path, made()[0], every=None, steps=np.array([0, 2]))
    recorder.after(0)
    assert recorder.rows.steps == [0]
    with pytest.raises(UserError, match="step 1,000,000,000,000,000,000: expected 0 to 999,999"):
        recorder.after(10**18)


def test_batches_that_are_used_up_and_a_task_named_total_are_refused(tmp_path: Path) -> None:
    network, _ = made()
    with recorder_of(tmp_path, network, batches=iter(BATCHES)) as recorder:
        with pytest.raises(UserError, match="is the loader empty, or a generator used up"):
            recorder.after(0)
        assert recorder.rows.steps == []
    slots = sedlib.ParamLayout.select(network, "*")
    total = sedlib.Recorder(
        tmp_path / "b", network, lambda network: {"total": network(INPUTS)[0].sum()}, slots=slots, every=1
    )
    with pytest.raises(UserError, match="may not be named 'total'"):
        total.after(0)


def test_a_loader_must_give_the_same_batches_at_each_pass(tmp_path: Path) -> None:
    network, _ = made()
    shuffled: Any = DataLoader(cast(Any, INPUTS), batch_size=5, shuffle=True)
    recorder_of(tmp_path / "whole", network, batches=shuffled).after(0)  # the same examples, in another order
    cut: Any = DataLoader(cast(Any, INPUTS), batch_size=5, shuffle=True, drop_last=True)
    recorder = recorder_of(tmp_path / "cut", network, batches=cut)
    with pytest.raises(UserError, match=r"batches: 'gradient/one' differs by .* between two passes .*list\(loader\)"):
        recorder.after(0)
    assert recorder.rows.steps == []


def test_losses_that_cannot_be_called_so_are_refused_first(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"losses: expected a function of \(module\), got one of \(network, batch\)"):
        recorder_of(tmp_path / "rows", made()[0], batches=None)
    assert not (tmp_path / "rows").exists()


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_small_and_large_rows_keep_their_relative_precision(tmp_path: Path, dtype: str) -> None:
    row = torch.randn(100, generator=torch.Generator().manual_seed(0))
    folder = sedlib.RowFolder(tmp_path, sedlib.ParamLayout(("w",), ((100,),)), dtype)
    for step, power in enumerate((-90, -30, 0, 30)):
        folder.append(step, {"update": row * 2.0**power})
        found = folder.at(step).part("update", slice(None)).astype(np.float64) / 2.0**power
        precision = {"float32": 0, "float16": 2**-11, "bfloat16": 2**-8}[dtype]
        assert np.abs(found - row.double().numpy()).max() <= precision * float(row.abs().max())


def loop(folder: Path) -> None:
    network, optimizer = made()
    train(network, optimizer, range(1, 100_000), recorder_of(folder, network, every=1).after)


@pytest.mark.filterwarnings("ignore:step .* the parameters are those of step")  # of a process that began anew
def test_a_killed_process_leaves_whole_files(tmp_path: Path) -> None:
    for seconds in (0.03, 0.1, 0.2, 0.4):
        process = get_context("fork").Process(target=loop, args=(tmp_path / "rows",))
        process.start()
        until = time.monotonic() + 60
        while not list(tmp_path.glob("rows/step-*")) and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(seconds)
        process.kill()
        process.join()
        network, _ = made()
        recorder = recorder_of(tmp_path / "rows", network, every=1, on_restart="replace")
        steps = recorder.rows.steps
        assert steps == list(range(1, len(steps) + 1))
        for name in ("gradient/one", "gradient/two", "gradient/total"):
            assert recorder.rows.stream(name).steps == steps
        recorder.after(len(steps) + 1)
        assert not recorder.rows.left_out  # θ of the last step that has rows was there
        recorder.after(1)
    assert recorder.rows.steps == [1]


def test_two_recorders_on_one_folder_and_other_tasks_are_refused(tmp_path: Path) -> None:
    (network, optimizer), (other, _) = made(), made(seed=1)
    first, second = (recorder_of(tmp_path, module, every=1) for module in (network, other))
    first.after(0)
    with pytest.raises(RowFolderError, match=r"step 0: step 0 came or went .* another one writes there; give each run"):
        second.after(0)
    slots = sedlib.ParamLayout.select(network, "trunk.0.*", "heads.*")
    train(network, optimizer, range(1, 2))
    with pytest.raises(RowFolderError, match=r"tasks were 'gradient/one', 'gradient/two', and are 'gradient/one' now"):
        sedlib.Recorder(
            tmp_path, network, lambda network: {"one": network(INPUTS)[0].sum()}, slots=slots, every=1
        ).after(1)


def test_a_copy_that_is_not_trained_is_told(tmp_path: Path) -> None:
    network, optimizer = made()
    copied, _ = made()
    recorder = recorder_of(tmp_path, copied, every=1)
    recorder.after(0)
    with pytest.warns(UserWarning, match="step 1: the parameters are those of step 0; is this the module"):
        train(network, optimizer, range(1, 2), recorder.after)


@pytest.mark.parametrize(("step", "problem"), [(1.5, "whole numbers, got a float"), (-1, "0 or more, got -1")])
@pytest.mark.usefixtures("production")
def test_a_step_is_a_whole_number(step: Any, problem: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=problem):
        recorder_of(tmp_path, made()[0], every=1).after(step)


def test_it_records_where_gradients_are_turned_off(tmp_path: Path) -> None:
    network, _ = made()
    rows = []
    for number, off in enumerate((torch.enable_grad, torch.no_grad, torch.inference_mode)):
        recorder = recorder_of(tmp_path / str(number), network, every=1)
        with off():
            recorder.after(0)
        rows.append(recorder.rows.row(0, "gradient/one"))
    assert torch.equal(rows[0], rows[1])
    assert torch.equal(rows[0], rows[2])


def test_the_ladder_leaves_out_what_the_optimizer_does(tmp_path: Path) -> None:
    """A frozen slot, which has no decay either, and a recording before which no step was made."""
    network, optimizer = made()
    network.trunk[0].requires_grad_(False)
    with recorder_of(tmp_path, network, every=1, optimizer=optimizer) as recorder:
        recorder.after(0)
        train(network, optimizer, range(1, 3), recorder.after)
        with pytest.warns(UserWarning, match="the parameters are those of step 2"):
            recorder.after(3)
    whole = slice(None)
    update, step = (recorder.rows.stream(name)[0:2, whole] for name in ("update", "ladder/step"))
    np.testing.assert_allclose(step, update, atol=3e-7)
    assert not step[:, :16].any()
    assert recorder.rows.stream("ladder/step").steps == [1, 2]


def test_sketches_are_recorded_and_compared(tmp_path: Path) -> None:
    network, optimizer = made()
    sketch = sedlib.CountSketch(20)
    recorder = recorder_of(tmp_path, network, every=1, sketch=sketch)
    recorder.after(0)
    train(network, optimizer, range(1, 3), recorder.after)
    row = sedlib.task_gradients(losses, network, recorder.rows.layout, batches=BATCHES)["one"]
    torch.testing.assert_close(recorder.rows.row(2, "gradient/one"), sketch(row).float())
    recorder_of(tmp_path, network, every=1, sketch=sketch).after(2)
    with torch.no_grad():
        network.trunk[0].weight.add_(1)  # type: ignore[operator]
    with pytest.raises(RowFolderError, match="step 2: 'gradient/one' is there, and differs by"):
        recorder_of(tmp_path, network, every=1, sketch=sketch).after(2)
