"""What a state or a loss has beside weights: refused if it would give a wrong number, left out if it is broken."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor, nn

import sedlib
from sedlib.base.errors import UserError
from sedlib.models.probes import Probes
from sedlib.own.measure_run import measure
from sedlib.vectors import ParamLayout
from tests.own.small_run import BATCH, LOSSES, PROBES, STEPS, TARGETS, H, Network

pytestmark = pytest.mark.usefixtures("production")

FEW: dict[str, Any] = {"random": 2, "matched": 0, "permutations": 0}
State = dict[str, Any]


class Scaled(Network):
    """Keeps a number that is no tensor."""

    scale = 1.0

    def get_extra_state(self) -> dict[str, float]:
        return {"scale": self.scale}

    def set_extra_state(self, state: Any) -> None:
        self.scale = state["scale"]

    def forward(self, h: Tensor) -> Tensor:
        return self.scale * super().forward(h)


def states(change: Callable[[int, State], State]) -> Callable[[], Any]:
    network = Network().eval()

    def at(step: int) -> State:
        return {name: value * (1 + step / 100) for name, value in network.state_dict().items()}

    return lambda: ((step, change(step, at(step))) for step in STEPS)


def measured(checkpoints: Any, **options: Any) -> pd.DataFrame:
    module = options.get("module", Network())
    given = {"module": module, "tasks": LOSSES, "batches": [BATCH], "probes": PROBES, "windows": (1,)}
    layout = ParamLayout.select(module, "first.weight", "second.weight")
    return measure(checkpoints, slots=layout, **{**FEW, **given, **options})


def test_what_a_state_brings_beside_tensors_must_be_as_the_module_has_it() -> None:
    found = measured(states(lambda step, state: {**state, "_extra_state": {"scale": 1.0}}), module=Scaled())
    pd.testing.assert_frame_equal(found, measured(states(lambda step, state: state), module=Scaled()))
    changing = states(lambda step, state: {**state, "_extra_state": {"scale": 1.0 + step}})
    with pytest.raises(UserError, match=r"step 10: state: '_extra_state' is no weight, and not as the module has it"):
        measured(changing, module=Scaled())


@pytest.mark.filterwarnings("ignore:step .* no row is taken")
def test_a_first_state_that_is_broken_is_left_out() -> None:
    def broken(*steps: int) -> Callable[[], Any]:
        return states(lambda step, state: {n: v * (torch.nan if step in steps else 1) for n, v in state.items()})

    assert sorted(measured(broken(0))["step"].unique()) == [10, 20, 30]
    with pytest.raises(UserError, match="checkpoints: the parameters of every one are not finite"):
        measured(broken(*STEPS))


@pytest.mark.filterwarnings("ignore:step .* no row is taken")
def test_windows_that_broken_states_cut_are_told() -> None:
    run = states(lambda step, state: {n: v * (torch.nan if step == 20 else 1) for n, v in state.items()})
    with pytest.raises(UserError, match="windows: '4' rows are longer than the run of 3 checkpoints; choose shorter"):
        measured(run, windows=(4,))
    with pytest.warns(UserWarning, match="windows: '4' rows are longer than the run of 3 checkpoints, so the table"):
        measured(run, windows=(1, 4))


@pytest.mark.filterwarnings("ignore:step .* is not taken")
def test_windows_that_broken_gradients_cut_are_told() -> None:
    def broken(loss: Callable[..., Tensor]) -> Callable[..., Tensor]:
        return lambda module, batch: loss(module, batch) * (1 if float(module.first.bias[0]) != at_10 else torch.nan)

    run = states(lambda step, state: state)
    at_10 = float(dict(run())[10]["first.bias"][0])
    tasks = {task: broken(loss) for task, loss in LOSSES.items()}
    with pytest.raises(UserError, match="windows: no measured checkpoint has a whole window, as rows are missing"):
        measured(run, tasks=tasks, windows=(4,), measured=1)


def test_a_loss_that_differs_at_a_later_batch_is_refused_before_rows_are_taken() -> None:
    def loss(module: nn.Module, batch: Any) -> tuple[Tensor, int]:
        h, targets = batch
        if len(h) == 8:
            h.mul_(0.9)
        return nn.functional.cross_entropy(module(h)[0], targets[:, 0], reduction="sum"), len(h)

    batches = [(H[:12], TARGETS.T[:12]), (H[12:].clone(), TARGETS.T[12:])]
    probes = Probes(H[:9], lambda module, h: module(h)[:1, :, 0])
    with pytest.raises(UserError, match=r"batches: 'sign' differs by .* of its norm between two passes over them"):
        measured(states(lambda step, state: state), tasks={"sign": loss}, batches=batches, probes=probes)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((None,), "table: expected a DataFrame, got None"),
        ((pd.DataFrame({"task": ["next"]}), "next"), r"tasks: expected a list or a tuple, got a str .*: \['next'\]"),
        ((pd.DataFrame({"task": ["next"]}), 3), "tasks: expected a list or a tuple, got an int"),
    ],
)
def test_what_is_no_table_is_not_drawn(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sedlib.plot_coupling(*arguments)
