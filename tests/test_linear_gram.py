"""Factors of linear layers give the rows that PyTorch gives, and the Gram matrix of them."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from sedlib.bases import rolling_bases
from sedlib.gradients import task_gradients
from sedlib.products import gram_band
from sedlib.readings import orthonormality
from sedlib.sketches.linear_gradients import factored_gradients
from sedlib.sketches.linear_gram import FactoredRow, LinearFactors, factored_band, factors_are_fewer
from sedlib.sketches.streamed import streamed_directions
from sedlib.vectors import ParamLayout

INPUTS = torch.randn(4, 3, 8, generator=torch.Generator().manual_seed(0))


class Network(nn.Module):
    """What linear layers meet in the wild: a layer that is called twice, one in a checkpoint, changes in place."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.twice, self.kept = nn.Linear(8, 40), nn.Linear(40, 40, bias=False), nn.Linear(40, 40)
        self.tied, self.heads = nn.Linear(40, 40), nn.ModuleList([nn.Linear(40, 2), nn.Linear(40, 3)])
        self.tied.weight = self.kept.weight
        self.dropout = nn.Dropout(0.5)

    def trunk(self, x: Tensor) -> Tensor:
        h = self.first(input=x)
        h.relu_()
        h = self.dropout(self.twice(self.twice(h)))
        again = checkpoint(lambda at: torch.tanh(self.kept(at)), h, use_reentrant=False)
        return h.sin() + self.tied(again)

    def forward(self, x: Tensor) -> list[Tensor]:
        h = self.trunk(x)
        return [head(h) for head in self.heads]


def losses(network: nn.Module) -> dict[str, Tensor]:
    first, second = network(INPUTS.to(next(network.parameters())))
    return {"first": first.square().mean(), "second": second.exp().mean()}


@pytest.fixture
def network() -> Network:
    torch.manual_seed(0)
    return Network()


def test_rows_are_those_of_task_gradients(network: Network) -> None:
    layout = ParamLayout.select(network, "*.weight")
    rows = factored_gradients(losses, network, layout)
    expected = task_gradients(losses, network, layout)
    assert list(rows) == list(expected)
    for task, row in rows.items():
        assert row.numbers < layout.size
        torch.testing.assert_close(row.vector(), expected[task], rtol=1e-5, atol=1e-7)
        assert {type(part) for part in row.parts} == {Tensor, LinearFactors}
        for other, theirs in rows.items():
            assert row.product(theirs) == pytest.approx(float(expected[task] @ expected[other]), rel=1e-5, abs=1e-9)
    assert network.training
    assert not any(module._forward_hooks for module in network.modules())


def test_a_band_of_factors_is_that_of_rows_and_gives_their_directions(network: Network) -> None:
    layout = ParamLayout.select(network, ["first.weight", "twice.weight"])
    steps = []
    for step in range(6):
        torch.manual_seed(step)
        state = {name: value + 0.1 * torch.randn_like(value) for name, value in network.state_dict().items()}
        state["tied.weight"] = state["kept.weight"]
        steps.append(factored_gradients(losses, network, layout, state, check=not step)["first"])
    rows = torch.stack([step.vector() for step in steps])
    for reach in (0, 3, 7):
        band = factored_band(iter(steps), reach)
        np.testing.assert_allclose(band, gram_band(rows, reach), rtol=1e-5, atol=1e-9)
    bases = rolling_bases(band, 4, 2)
    assert float(orthonormality(gram_band(rows, 4), bases)) < 1e-5
    basis = streamed_directions((step.vector() for step in steps[1:5]), bases, 1)
    torch.testing.assert_close(basis @ basis.T, torch.eye(2), rtol=0, atol=1e-4)
    assert factored_band(iter([]), 2).shape == (0, 3)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 9), st.integers(0, 9), st.integers(1, 6), st.integers(1, 6), st.integers(0, 99))
def test_a_product_of_factors_is_that_of_gradients(
    first: int, second: int, inputs: int, outputs: int, seed: int
) -> None:
    random = torch.Generator().manual_seed(seed)
    pair = [
        LinearFactors(torch.randn(n, inputs, generator=random), torch.randn(n, outputs, generator=random))
        for n in (first, second)
    ]
    expected = float((pair[0].gradient.double() * pair[1].gradient.double()).sum())
    for other in (pair[1], pair[1].gradient):
        assert pair[0].product(other) == pytest.approx(expected, rel=1e-4, abs=1e-4)
    assert factors_are_fewer(first, inputs, outputs) == (
        pair[0].inputs.numel() + pair[0].deltas.numel() < inputs * outputs
    )


def test_a_layer_that_is_not_reached_has_a_gradient_of_zero(network: Network) -> None:
    layout = ParamLayout.select(network, "heads.*.weight")
    rows = factored_gradients(losses, network, layout)
    assert not rows["first"].vector()[80:].any()
    assert rows["first"].product(rows["second"]) == 0
    assert rows["second"].numbers == 120


def test_factors_stay_when_the_batch_is_filled_anew(network: Network) -> None:
    batch, layout = INPUTS[0, :2].clone(), ParamLayout.select(network, "first.weight")
    row = factored_gradients(lambda module: {"a": module.first(batch).square().sum()}, network, layout)["a"]  # type: ignore[operator]
    before = row.vector()
    batch.zero_()
    assert row.numbers < layout.size
    assert torch.equal(row.vector(), before)


def test_16_bit_weights_are_measured_in_32(network: Network) -> None:
    half = network.bfloat16()
    layout = ParamLayout.select(half, "first.weight")
    row = factored_gradients(losses, half, layout)["first"]
    expected = task_gradients(losses, half, layout)["first"]
    assert row.vector().dtype == torch.float32
    torch.testing.assert_close(row.vector(), expected, rtol=1e-5, atol=1e-7)


class Functional(nn.Module):
    """Uses its layer's weight with and without calling the layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> list[Tensor]:
        return [self.layer(x), F.linear(self.layer(x), self.layer.weight)]


class Tied(nn.Module):
    """An embedding and a head with one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(8, 8), nn.Linear(8, 8, bias=False)
        self.head.weight = self.embedding.weight


def steep(network: nn.Module) -> Tensor:
    """A root at zero, of which the derivative is infinite."""
    zeros = network.first(0 * INPUTS) - network.first.bias  # type: ignore[operator, union-attr]
    return zeros.abs().sum().sqrt()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda n: (losses, n, ParamLayout.select(n, "first.*")), "got 'first.bias', which Linear uses"),
        (lambda n: (losses, Tied(), ParamLayout.select(Tied(), "*")), "got 'embedding.weight', which Embedding uses"),
        (
            lambda n: (losses, m := Functional(), ParamLayout.select(m, "layer.weight")),
            "the gradient of task 'second' by 'layer.weight' is not the sum over its layer's calls",
        ),
        (lambda n: (lambda m: {}, n, ParamLayout.select(n, "first.weight")), "expected {name: loss, …} of the module"),
        (
            lambda n: (lambda m: {"a": m.twice.weight.sum()}, n, ParamLayout.select(n, "twice.weight")),
            "none of the layers of 'twice.weight' was called",
        ),
        (
            lambda n: (lambda m: {"a": m(INPUTS)[0]}, n, ParamLayout.select(n, "first.weight")),
            r"the loss of task 'a' must be a finite scalar that depends on the weights, got shape \(4, 3, 2\)",
        ),
        (
            lambda n: (lambda m: {"a": m(INPUTS)[0].mean().detach()}, n, ParamLayout.select(n, "first.weight")),
            "the loss of task 'a' must be a finite scalar that depends on the weights, got tensor",
        ),
        (
            lambda n: (lambda m: {"a": steep(m)}, n, ParamLayout.select(n, "first.weight")),
            "the gradient of task 'a' by 'first.weight': every value must be finite, got nan",
        ),
    ],
)
def test_what_has_no_factors_is_refused(
    call: Callable[[Network], tuple[object, ...]], message: str, network: Network, production: None
) -> None:
    with pytest.raises(ValueError, match=message):
        factored_gradients(*call(network))  # type: ignore[arg-type]
    assert not any(module._forward_hooks for module in network.modules())


def test_rows_of_other_weights_have_no_product() -> None:
    rows = [FactoredRow((name,), (torch.ones(1, 1),)) for name in "ab"]
    with pytest.raises(ValueError, match="rows of different weights have no product: 'a', and 'b'"):
        factored_band(iter(rows), 1)
    with pytest.raises(ValueError, match="reach: expected 0 or more, got -1"):
        factored_band(iter(rows), -1)
