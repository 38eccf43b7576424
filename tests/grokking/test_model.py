import math

import pytest
import torch

from sedlib.base.randomness import generator
from sedlib.grokking.network.model import GrokkingTransformer, build
from sedlib.selftest.oracles import encoder
from sedlib.vectors import ParamLayout
from tests.reference import projected

D_MODEL, HEADS, D_FF, P = 16, 4, 24, 11


@pytest.fixture
def model() -> GrokkingTransformer:
    return build(P, 3, D_MODEL, HEADS, D_FF, 2, generator(0, "init"))


def test_same_function_as_pytorchs_encoder_in_float64(model: GrokkingTransformer) -> None:
    reference = encoder(D_MODEL, HEADS, D_FF, 2).double()
    with torch.no_grad():
        for parameter in reference.parameters():  # layers that differ, biases and norms that are not trivial
            parameter.add_(0.3 * torch.randn_like(parameter))
    model = model.double()
    model.encoder.load_state_dict(reference.state_dict())
    pairs = torch.cartesian_prod(torch.arange(P), torch.arange(P))
    h = model.embed(pairs)
    read = reference(h)[:, 0]
    expected = torch.stack([head(read) for head in model.heads])
    torch.testing.assert_close(model(h), expected, rtol=1e-12, atol=1e-12)
    loss, expected_loss = model(h).square().sum(), expected.square().sum()
    for (name, parameter), other in zip(model.encoder.named_parameters(), reference.parameters(), strict=True):
        (gradient,) = torch.autograd.grad(loss, parameter, retain_graph=True)
        (expected_gradient,) = torch.autograd.grad(expected_loss, other, retain_graph=True)
        torch.testing.assert_close(gradient, expected_gradient, rtol=1e-9, atol=1e-9, msg=name)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_logits_of_pairs_are_those_of_their_embedded_inputs(layers: int) -> None:
    model = build(P, 2, D_MODEL, HEADS, D_FF, layers, generator(1, "init")).double()
    noise = generator(1, "noise")
    with torch.no_grad():
        for parameter in model.parameters():  # biases and norms that are not trivial
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=noise, dtype=torch.float64))
    pairs = torch.randint(P, (40, 2), generator=noise)
    expected = model(model.embed(pairs))
    torch.testing.assert_close(model.logits(pairs), expected, rtol=1e-12, atol=1e-12)
    weights = torch.randn(expected.shape, generator=noise, dtype=torch.float64)
    gradients, expected_gradients = (
        torch.autograd.grad((weights * logits).sum(), list(model.parameters()))
        for logits in (model.logits(pairs), expected)
    )
    for (name, _), found, wanted in zip(model.named_parameters(), gradients, expected_gradients, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9, msg=name)


def test_same_state_dict_names_and_shapes_as_pytorchs_encoder(model: GrokkingTransformer) -> None:
    expected = {name: value.shape for name, value in encoder(D_MODEL, HEADS, D_FF, 2).state_dict().items()}
    assert {name: value.shape for name, value in projected(model.state_dict(), "encoder.").items()} == expected


def test_layers_start_as_copies(model: GrokkingTransformer) -> None:
    first, second = (projected(model.state_dict(), f"encoder.layers.{i}.") for i in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_same_initial_distribution_as_pytorchs_encoder() -> None:
    d = 96
    ours = projected(build(P, 1, d, 4, 2 * d, 1, generator(0, "init")).state_dict(), "encoder.")
    theirs = encoder(d, 4, 2 * d, 1).state_dict()
    for name, value in theirs.items():
        if value.std() == 0:
            assert torch.equal(ours[name], value), name
        else:  # uniform: bound and spread
            tolerance = 4 / math.sqrt(value.numel())
            assert ours[name].abs().max().item() == pytest.approx(value.abs().max().item(), rel=0.1), name
            assert ours[name].std().item() == pytest.approx(value.std().item(), rel=tolerance), name
            assert abs(ours[name].mean().item()) < tolerance * value.std().item(), name


def test_embeddings_are_drawn_as_specified() -> None:
    model = build(97, 1, 128, 4, 8, 1, generator(0, "init"))
    assert model.token.std().item() == pytest.approx(1, rel=0.03)
    assert model.position.std().item() == pytest.approx(1 / math.sqrt(128), rel=0.2)
    pairs = torch.tensor([[3, 5]])
    torch.testing.assert_close(model.embed(pairs)[0], model.token[[3, 5]] + model.position)


def test_size_is_the_papers() -> None:
    model = build(97, 1, 128, 4, 256, 2, generator(0, "init"))
    assert sum(parameter.numel() for parameter in model.parameters()) == 290_401
    assert ParamLayout.attention(model).size == 131_072


def test_weights_depend_on_the_generator_alone() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = build(P, 1, D_MODEL, HEADS, D_FF, 2, generator(1, "init")).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    second = build(P, 1, D_MODEL, HEADS, D_FF, 2, generator(1, "init")).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["token"], build(P, 1, D_MODEL, HEADS, D_FF, 2, generator(2, "init")).token)
