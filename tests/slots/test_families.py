"""Attention slots of every family, and of every head, against derivatives: a head's are what its output depends on."""

from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from sedlib.slots.attention_modules import attention_modules
from sedlib.vectors import ParamLayout
from tests.slots.families import FAMILIES, Family

HEADS = 4


@cache
def network(family: Family) -> nn.Module:
    return family.network()


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> Family:
    return FAMILIES[request.param]


def matrices_of_attention(module: nn.Module) -> set[str]:
    """Matrices in modules whose class is called attention, or whose name is; neither embeddings nor biases."""
    owners = [
        name
        for name, one in module.named_modules()
        if "Attention" in type(one).__name__ or name.rpartition(".")[2] == "attn"
    ]
    return {
        name
        for name, parameter in module.named_parameters()
        if any(name.startswith(f"{owner}.") for owner in owners)
        and parameter.ndim == 2
        and not isinstance(module.get_submodule(name.rpartition(".")[0]), nn.Embedding)
    }


def test_the_attention_slots_are_the_matrices_of_the_attention_classes(family: Family) -> None:
    layout = ParamLayout.attention(network(family))
    assert set(layout.names) == matrices_of_attention(network(family))
    assert list(layout.names) == [name for name, _ in network(family).named_parameters() if name in layout.names]
    assert (layout.slots, layout.left_out) == ((), ())


def test_layer_and_kind_are_known(family: Family) -> None:
    found = {module.name: module for module in attention_modules(network(family))}[family.attention]
    assert (found.layer, found.is_cross) == (family.layer, family.is_cross)
    of_layer = ParamLayout.attention(network(family), layers=family.layer).names
    assert {weight.name for weight in found.weights} <= set(of_layer)
    numbers = {part for name in of_layer for part in name.split(".") if part.isdecimal()}
    assert str(family.layer) in numbers


def run(family: Family, keep: Tensor | None = None, **parameters: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What the output projection takes and gives, and what the network gives; ``keep`` weighs what it takes."""
    module, seen = network(family), {}
    output = module.get_submodule(f"{family.attention}.{family.output}")

    def before(_: nn.Module, given: tuple[Tensor]) -> Tensor:
        seen["z"] = given[0]
        return given[0] if keep is None else given[0] * keep

    def after(_: nn.Module, given: object, result: Tensor) -> None:
        seen["y"] = result

    hooks = [output.register_forward_pre_hook(before), output.register_forward_hook(after)]
    try:
        result = functional_call(module, parameters, (), family.given())
    finally:
        for hook in hooks:
            hook.remove()
    return seen["z"], seen["y"], _tensor(result)


def _tensor(result: Any) -> Tensor:
    named = ("logits", "last_hidden_state", "image_embeds")
    return result if isinstance(result, Tensor) else next(getattr(result, name) for name in named if name in result)


def depends(value: Tensor, parameters: dict[str, Tensor]) -> dict[str, Tensor]:
    """Which elements of each parameter a random combination of the values depends on."""
    total = (value * torch.randn(value.shape, generator=torch.Generator().manual_seed(1))).sum()
    found = torch.autograd.grad(total, list(parameters.values()), retain_graph=True, materialize_grads=True)
    return {name: gradient != 0 for name, gradient in zip(parameters, found, strict=True)}


def weights(family: Family) -> dict[str, Tensor]:
    """The matrices of the attention module, as the module holds them."""
    names = [name for name in matrices_of_attention(network(family)) if name.startswith(f"{family.attention}.")]
    return {name: network(family).get_parameter(name) for name in names}


def test_a_heads_slots_are_what_its_output_depends_on(family: Family) -> None:
    own = weights(family)
    output = f"{family.attention}.{family.output}.weight"
    z, _, _ = run(family)
    size = z.shape[-1] // HEADS
    zeros = {name: torch.zeros_like(value) for name, value in network(family).named_parameters()}
    for head in range(HEADS):
        mine = torch.zeros(z.shape[-1], dtype=z.dtype)
        mine[head * size : (head + 1) * size] = 1
        expected = depends(z * mine, own)
        expected[output] = depends(run(family, keep=mine)[1], {output: own[output]})[output]
        layout = ParamLayout.attention(
            network(family), layers=family.layer, heads=head, include=f"{family.attention}.*"
        )
        marked = layout.placed(torch.ones(layout.size, dtype=z.dtype), zeros)
        assert marked.keys() == own.keys()
        for name in own:
            assert torch.equal(marked[name] == 1, expected[name]), (name, head)
            assert not expected[name].all(), name


def test_a_group_of_heads_without_weights_is_one_without_outputs(family: Family) -> None:
    shared = HEADS // family.groups
    heads = range(HEADS - shared, HEADS)
    layout = ParamLayout.attention(network(family), heads={family.layer: heads}, include=f"{family.attention}.*")
    values = dict(network(family).named_parameters())
    z, _, whole = run(family)
    keep = torch.ones(z.shape[-1], dtype=z.dtype)
    keep[-z.shape[-1] * shared // HEADS :] = 0
    expected = run(family, keep=keep)[2]
    found = run(family, **layout.placed(torch.zeros(layout.size, dtype=z.dtype), values))[2]
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    assert (whole - expected).abs().max() > 1e-6


def test_what_is_placed_is_read_back_and_the_rest_is_as_it_was(family: Family) -> None:
    layout = ParamLayout.attention(network(family), heads=[0, 2])
    values = {name: value.detach() for name, value in network(family).named_parameters()}
    theta = torch.randn(layout.size, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    placed = layout.placed(theta, values)
    assert torch.equal(layout.flatten({**values, **placed}), theta)
    back = layout.placed(layout.flatten(values), {**values, **placed})
    assert all(torch.equal(back[name], values[name]) for name in back)
    assert ParamLayout.from_json(layout.to_json()) == layout
