"""Factors of linear layers give the rows that PyTorch gives, and the Gram matrix of them."""

from collections.abc import Callable
from typing import Any

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


def in_16_bits(network: nn.Module) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        return network(INPUTS)[0].float().mean()


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
        (
            lambda n: (lambda m: {"a": F.dropout(m(INPUTS)[0]).mean()}, n, ParamLayout.select(n, "first.weight")),
            "the loss of task 'a' is .* and then .* at the same parameters: .* draw no random numbers",
        ),
        (
            lambda n: (lambda m: {"a": in_16_bits(m)}, n, ParamLayout.select(n, "first.weight")),
            "the network computes in torch.bfloat16 inside",
        ),
        (
            lambda n: (lambda m: {"a": m(INPUTS)[0].mean() * 1j}, n, ParamLayout.select(n, "first.weight")),
            "the loss of task 'a' must be a finite scalar that depends on the weights, got tensor.*j",
        ),
        (
            lambda n: (
                lambda m: {"a": m(INPUTS)[0].mean(), "b": torch.ones(1, requires_grad=True).sum()},
                n,
                ParamLayout.select(n, "first.weight"),
            ),
            "the loss of task 'b' depends on none of the weights of 'first.weight'",
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


FACTORS = LinearFactors(torch.ones(2, 2), torch.ones(2, 3))


def row(part: Any, name: str = "a") -> FactoredRow:
    return FactoredRow((name,), (part,))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: FACTORS.product(torch.ones(3, 1)), r"the gradient of a weight \(3, 2\), got shape \(3, 1\)"),
        (lambda: FACTORS.product(torch.ones(3)), r"other: expected \[outputs, inputs\], got shape \(3,\)"),
        (lambda: FACTORS.product(torch.ones(2, 3)), r"expected the gradient of a weight \(3, 2\), got shape \(2, 3\)"),
        (lambda: FACTORS.product(LinearFactors(torch.ones(1, 3), torch.ones(1, 3))), r"got shape \(3, 3\)"),
        (
            lambda: FACTORS.product(torch.ones(3, 2) * 1j),
            "other: expected real floating-point numbers, got .*complex64",
        ),
        (lambda: FACTORS.product(np.ones((3, 2))), "other: expected a tensor .* got a NumPy array"),  # type: ignore[arg-type]
        (lambda: row(torch.ones(3, 2)).product(row(torch.ones(1, 2))), r"'a' is \(3, 2\) in one and \(1, 2\)"),
        (
            lambda: row(torch.ones(3, 2)).product(torch.ones(6)),  # type: ignore[arg-type]
            "rows: expected rows of factored_gradients, got a tensor",
        ),
        (lambda: row([1.0]), "part 'a': expected a tensor"),
        (lambda: row(torch.ones(3, 2) * 1j), "part 'a': expected real floating-point numbers, got .*complex64"),
        (lambda: FactoredRow("a", (torch.ones(3, 2),)), "names: expected a tuple, got a str"),  # type: ignore[arg-type]
        (lambda: factored_band([row(torch.ones(2, 2)), row(torch.ones(2, 2), "b")], 0), "no product: 'a', and 'b'"),
        (lambda: factored_band([torch.ones(2, 2)], 0), "got a tensor of shape"),  # type: ignore[list-item]
        (
            lambda: factored_band([row(torch.full((1, 1), torch.nan))], 0),
            "row 0 is not finite, or too large: .* is nan",
        ),
        (
            lambda: factored_band([row(torch.full((1, 1), 1e200, dtype=torch.float64))], 0),
            "row 0 is not finite, or too large",
        ),
        (lambda: factors_are_fewer(-1, 2, 2), "expected numbers of 0 or more, got -1 tokens"),
    ],
)
def test_gradients_of_other_shapes_and_kinds_are_refused(
    call: Callable[[], object], message: str, production: None
) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_a_gradient_of_16_bits_is_summed_in_32() -> None:
    large = torch.full((4, 2), 300.0)
    assert torch.equal(LinearFactors(large.half(), large.half()).gradient, large.T @ large)


def test_numbers_of_numpy_do_not_overflow_where_forms_are_compared(production: None) -> None:
    assert not factors_are_fewer(np.int32(40_000), np.int32(70_000), np.int32(70_000))  # type: ignore[arg-type]
