from copy import deepcopy
from typing import Any, cast

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from sedlib.gradients import task_gradients
from sedlib.selftest.oracles import looped_gradient
from sedlib.vectors import ParamLayout
from tests.reference import digest


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
    rows = task_gradients(losses, model, layout)
    for task, row in rows.items():
        expected = looped_gradient(lambda task=task: losses(model)[task], model, list(layout.names))  # type: ignore[misc]
        torch.testing.assert_close(row, expected, rtol=1e-12, atol=0)


def test_another_tasks_head_has_zero_gradient(model: nn.Module) -> None:
    layout = ParamLayout.select(model, "trunk.*", "heads.second.*")
    row = layout.unflatten(task_gradients(losses, model, layout)["first"])
    assert row["heads.second.weight"].count_nonzero() == 0
    assert row["trunk.weight"].count_nonzero() > 0


def test_known_gradient() -> None:
    linear = nn.Linear(2, 1, bias=False)
    inputs = torch.tensor([[3.0, 5.0]])
    rows = task_gradients(lambda module: {"t": module(inputs).sum()}, linear, ParamLayout.select(linear, "weight"))
    assert rows["t"].tolist() == [3, 5]


def test_a_loss_that_depends_on_nothing_selected_is_refused(model: nn.Module) -> None:
    layout = ParamLayout.select(model, "heads.second.*")
    with pytest.raises(ValueError, match=r"loss of task 'first' has no gradient in: 'heads.second.weight'"):
        task_gradients(losses, model, layout)


@pytest.mark.parametrize("bad", [torch.tensor(float("nan")), torch.ones(2), 3.0, None])
def test_a_loss_that_is_no_finite_scalar_is_refused(model: nn.Module, bad: object) -> None:
    with pytest.raises(ValueError, match=r"the loss of task 't' must be a finite scalar"):
        task_gradients(lambda module: {"t": bad}, model, ParamLayout.select(model, "*"))


def test_a_loss_without_graph_is_refused(model: nn.Module) -> None:
    with pytest.raises(ValueError, match=r"has no gradient in: .* detach, no_grad"):
        task_gradients(lambda module: {"t": torch.tensor(1.0)}, model, ParamLayout.select(model, "*"))


@pytest.mark.usefixtures("production")
def test_losses_that_are_computed_already_are_refused(model: nn.Module) -> None:
    """They may be of a module in train mode."""
    with pytest.raises(ValueError, match=r"losses: expected a function, got a dict; the module is in eval"):
        task_gradients(cast("Any", losses(model)), model, ParamLayout.select(model, "*"))


def test_the_module_is_in_eval_and_stays_as_it_was() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.BatchNorm1d(4), nn.Linear(4, 1))
    module[2].eval()
    module[0].weight.requires_grad_(False)  # frozen: its gradient is still one
    inputs, layout = torch.randn(20, 3), ParamLayout.select(module, "*.weight")
    before, modes = digest(module), [part.training for part in module.modules()]
    rows = task_gradients(lambda module: {"t": module(inputs).square().mean()}, module, layout)
    assert digest(module) == before
    assert [part.training for part in module.modules()] == modes
    copy = deepcopy(module).eval().requires_grad_(True)
    expected = looped_gradient(lambda: copy(inputs).square().mean(), copy, list(layout.names))
    torch.testing.assert_close(rows["t"], expected)


def test_the_gradient_is_of_the_state_that_is_given(model: nn.Module) -> None:
    layout, other = ParamLayout.select(model, "*"), deepcopy(model)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(2)
    found = task_gradients(losses, model, layout, state=other.state_dict())
    expected = task_gradients(losses, other, layout)
    assert torch.equal(found["first"], expected["first"])


def test_a_loader_counts_tokens_not_batches() -> None:
    """Batches of 3, 1 and 5 tokens: the gradient of the mean over all nine."""
    linear = nn.Linear(2, 1).double()
    layout, tokens = ParamLayout.select(linear, "*"), torch.randn(9, 2, dtype=torch.float64)

    def summed(module: nn.Module, batch: torch.Tensor) -> dict[str, object]:
        return {"t": (module(batch).exp().sum(), len(batch))}

    found = task_gradients(summed, linear, layout, batches=tokens.split([3, 1, 5]))
    whole = task_gradients(lambda module: {"t": module(tokens).exp().mean()}, linear, layout)
    torch.testing.assert_close(found["t"], whole["t"], rtol=1e-12, atol=0)


def test_means_over_batches_and_empty_loaders_are_refused() -> None:
    linear = nn.Linear(2, 1)
    layout, batches = ParamLayout.select(linear, "*"), [torch.ones(3, 2)]
    with pytest.raises(ValueError, match="must be a pair of a sum and its count if there are batches"):
        task_gradients(lambda module, batch: {"t": module(batch).mean()}, linear, layout, batches=batches)
    with pytest.raises(ValueError, match="the count of task 't' must be positive, got 0"):
        task_gradients(lambda module, batch: {"t": (module(batch).sum(), 0)}, linear, layout, batches=batches)
    with pytest.raises(ValueError, match="is the loader empty"):
        task_gradients(lambda module, batch: {"t": (module(batch).sum(), 1)}, linear, layout, batches=[])


def test_a_loss_that_differs_the_second_time_is_refused(model: nn.Module) -> None:
    draws, layout = iter([1.0, 2.0]), ParamLayout.select(model, "trunk.*")
    with pytest.raises(ValueError, match=r"is .* and then .* at the same parameters: .* draw no random numbers"):
        task_gradients(lambda module: {"t": next(draws) * losses(module)["first"]}, model, layout)


@pytest.mark.parametrize("use_reentrant", [False, True])
def test_recomputed_activations_are_of_the_measured_parameters(model: nn.Module, use_reentrant: bool) -> None:
    """Activation checkpointing computes a forward pass again during the backward pass."""
    layout, x = ParamLayout.select(model, "trunk.*"), torch.randn(5, 3, dtype=torch.float64)
    state = {name: 2 * value for name, value in model.state_dict().items()}

    def recomputed(module: nn.Module) -> dict[str, torch.Tensor]:
        return {"t": checkpoint(lambda x: module(x)["first"], x, use_reentrant=use_reentrant).square().mean()}

    def plain(module: nn.Module) -> dict[str, torch.Tensor]:
        return {"t": module(x)["first"].square().mean()}

    if use_reentrant:
        with pytest.raises(ValueError, match="use_reentrant=True"):
            task_gradients(recomputed, model, layout, state=state)
    else:
        found = task_gradients(recomputed, model, layout, state=state)
        torch.testing.assert_close(found, task_gradients(plain, model, layout, state=state))


def test_a_gradient_that_is_not_finite_is_found_in_the_part_of_a_parameter() -> None:
    attention = nn.MultiheadAttention(4, 2)
    layout = ParamLayout.attention(attention, heads=1)

    def losses(module: nn.Module) -> dict[str, torch.Tensor]:
        return {"task": (cast(nn.MultiheadAttention, module).out_proj.weight[:, 2:] * 0).sqrt().sum()}

    with pytest.raises(ValueError, match=r"task 'task' is not finite in: 'out_proj.weight\[:, 2:4\]'"):
        task_gradients(losses, attention, layout)
