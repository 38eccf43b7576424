import pytest
import torch
from torch import nn

from sedlib.gradients import task_gradients
from sedlib.selftest.oracles import looped_gradient
from sedlib.vectors import ParamLayout


class TwoHeads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Linear(3, 4)
        self.heads = nn.ModuleDict({"first": nn.Linear(4, 2), "second": nn.Linear(4, 2)})

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        z = torch.tanh(self.trunk(x))
        return {name: head(z) for name, head in self.heads.items()}


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return TwoHeads().double()


def losses(model: nn.Module) -> dict[str, torch.Tensor]:
    x = torch.linspace(-1, 1, 15, dtype=torch.float64).view(5, 3)
    return {name: out.square().mean() for name, out in model(x).items()}


def test_shared_forward_equals_one_forward_per_task_and_parameter(model: nn.Module) -> None:
    layout = ParamLayout.select(model, "*")
    rows = task_gradients(losses(model), model, layout)
    for task, row in rows.items():
        expected = looped_gradient(lambda task=task: losses(model)[task], model, list(layout.names))  # type: ignore[misc]
        torch.testing.assert_close(row, expected, rtol=1e-12, atol=0)


def test_another_tasks_head_has_zero_gradient(model: nn.Module) -> None:
    layout = ParamLayout.select(model, "trunk.*", "heads.second.*")
    row = layout.unflatten(task_gradients(losses(model), model, layout)["first"])
    assert row["heads.second.weight"].count_nonzero() == 0
    assert row["trunk.weight"].count_nonzero() > 0


def test_known_gradient() -> None:
    linear = nn.Linear(2, 1, bias=False)
    rows = task_gradients({"t": linear(torch.tensor([[3.0, 5.0]])).sum()}, linear, ParamLayout.select(linear, "weight"))
    assert rows["t"].tolist() == [3, 5]


def test_a_loss_that_depends_on_nothing_selected_is_refused(model: nn.Module) -> None:
    layout = ParamLayout.select(model, "heads.second.*")
    with pytest.raises(ValueError, match=r"loss of task 'first' depends on none of: heads.second.weight"):
        task_gradients(losses(model), model, layout)


@pytest.mark.parametrize("bad", [torch.tensor(float("nan")), torch.ones(2)])
def test_a_loss_that_is_no_finite_scalar_is_refused(model: nn.Module, bad: torch.Tensor) -> None:
    with pytest.raises((ValueError, TypeError), match=r"scalar|losses"):
        task_gradients({"t": bad}, model, ParamLayout.select(model, "*"))


def test_a_loss_without_graph_is_refused(model: nn.Module) -> None:
    with pytest.raises(ValueError, match="cannot be differentiated"):
        task_gradients({"t": torch.tensor(1.0)}, model, ParamLayout.select(model, "*"))
