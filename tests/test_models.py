"""Networks as people have them: in train mode, tied, shared, in 16 bits, with probes that see one another."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sedlib.base.randomness import generator
from sedlib.coupling import central_difference, jvp
from sedlib.models.centroid_function import CentroidFunction
from sedlib.models.checkpoint import Checkpoint
from sedlib.models.probes import Probes
from sedlib.selftest.oracles import looped_centroids
from sedlib.vectors import ParamLayout
from tests.reference import digest

TOKENS = torch.randint(7, (12, 3), generator=generator(0, "tokens"))
TARGETS = torch.randint(7, (1, 12), generator=generator(0, "targets"))


def unit(size: int, dtype: torch.dtype = torch.float32) -> Tensor:
    direction = torch.randn(size, generator=generator(0, "direction"), dtype=dtype)
    return direction / direction.norm()


class Decoder(nn.Module):
    """Token embedding, a pre-norm Transformer layer with dropout, and a head that may be tied to the embedding."""

    def __init__(self, *, tied: bool = False, dropout: float = 0.3) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(7, 8)
        self.layer = nn.TransformerEncoderLayer(
            8, 2, 16, dropout=dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.head = nn.Linear(8, 7, bias=False)
        if tied:
            self.head.weight = self.embed.weight

    def forward(self, tokens: Tensor) -> Tensor:
        return self.read(self.embed(tokens))

    def read(self, h: Tensor) -> Tensor:
        return self.head(self.layer(h)[:, -1])


def scores(module: Any, h: Tensor, targets: Tensor) -> Tensor:
    """Logit of the correct answer."""
    return module.read(h).gather(1, targets.T).T


def embed(module: Any, tokens: Tensor) -> Tensor:
    return module.embed(tokens)


PROBES = Probes(TOKENS, scores, TARGETS, embed)


def slow_response(module: nn.Module, layout: ParamLayout, direction: Tensor, *, moving: bool = False) -> float:
    """S(v) from centroids one probe at a time, of float64 copies in eval whose parameters are moved in place."""

    def centroids(scale: float) -> Tensor:
        there = deepcopy(module).double().eval()
        before = deepcopy(there)
        with torch.no_grad():
            parameters = dict(there.named_parameters())
            for name, piece in layout.unflatten(scale * direction.double()).items():
                parameters[name].add_(piece)
        rows = []
        for token, target in zip(TOKENS, TARGETS.T, strict=True):
            h = embed(there if moving else before, token[None]).detach().requires_grad_()
            rows.append(torch.autograd.grad(scores(there, h, target[None]).sum(), h)[0].flatten())
        return torch.stack(rows)

    change = (centroids(1e-5) - centroids(-1e-5)) / 2e-5
    return float(change.square().sum(1).mean())


@pytest.mark.parametrize("kind", ["difference", "jvp"])
@pytest.mark.parametrize("mode", [True, False])
@pytest.mark.parametrize("around", [torch.no_grad, torch.inference_mode, lambda: torch.autocast("cpu")])
def test_a_module_in_train_mode_is_measured_in_eval(kind: str, mode: bool, around: Callable[[], Any]) -> None:
    module = Decoder().train(mode)
    layout = ParamLayout.attention(module)
    before, direction = digest(module), unit(layout.size)
    expected = slow_response(module, layout, direction)
    with around():
        centroids_at = CentroidFunction(Checkpoint(module, layout), PROBES)
        theta = centroids_at.theta
        respond = jvp(centroids_at, theta) if kind == "jvp" else central_difference(centroids_at, theta, 0.005)
        found = float(respond(direction))
    assert found == pytest.approx(expected, rel=1e-3)
    assert digest(module) == before


def test_the_mode_comes_back_after_an_error() -> None:
    module = Decoder().train()
    module.layer.self_attn.eval()
    before = digest(module)

    def fails(module: nn.Module) -> None:
        assert not module.training
        raise KeyError

    with pytest.raises(KeyError):
        Checkpoint(module, ParamLayout.attention(module)).at(fails)()
    assert digest(module) == before


def test_a_measurement_is_of_one_checkpoint_while_training_goes_on() -> None:
    module = Decoder()
    layout = ParamLayout.attention(module)
    direction, expected = unit(layout.size), slow_response(module, layout, unit(layout.size))
    early = Checkpoint(module, layout)
    state = {name: value.clone() for name, value in module.state_dict().items()}
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.ones_like(parameter))
    for checkpoint in (early, Checkpoint(module, layout, state)):
        centroids_at = CentroidFunction(checkpoint, PROBES)
        assert float(jvp(centroids_at, checkpoint.theta)(direction)) == pytest.approx(expected, rel=1e-3)
        with pytest.raises(ValueError, match="the slots of centroids_at's own checkpoint"):
            central_difference(centroids_at, layout.flatten(module.state_dict()), 0.005)


class Shared(nn.Module):
    """One layer that is reachable by two names, and used by both."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Linear(4, 4)
        self.again = self.first
        self.read = nn.Linear(4, 3)

    def forward(self, h: Tensor) -> Tensor:
        return self.read(torch.tanh(self.again(torch.tanh(self.first(h)))))


def test_a_submodule_of_two_names_moves_once_and_stays_as_it_was() -> None:
    module, h = Shared(), torch.randn(5, 4, generator=generator(0, "h"))
    layout = ParamLayout.select(module, "first.weight")
    before, parameter, direction = digest(module), module.first.weight, unit(layout.size)
    centroids_at = CentroidFunction(Checkpoint(module, layout), Probes(h, lambda module, h: module(h).T))
    found = jvp(centroids_at, centroids_at.theta)(direction)
    assert digest(module) == before
    assert module.first.weight is parameter
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    module(h).sum().backward()
    optimizer.step()
    assert digest(module) != before  # training goes on

    def at(theta: Tensor) -> Tensor:
        fresh = Shared().double()
        with torch.no_grad():
            fresh.first.weight.copy_(theta.view(4, 4))
        return looped_centroids(lambda h: fresh(h).T, h.double())

    theta, step = centroids_at.theta.double(), 1e-6 * direction.double()
    expected = ((at(theta + step) - at(theta - step)) / 2e-6).square().sum(-1).mean(-1)
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=0)


@pytest.mark.parametrize("tied", [True, False])
def test_an_embedding_among_the_slots_moves_the_embedded_input(tied: bool) -> None:
    module = Decoder(tied=tied, dropout=0.0).double()
    layout = ParamLayout.select(module, "embed.weight", "layer.self_attn.in_proj_weight")
    direction = unit(layout.size, torch.float64)
    centroids_at = CentroidFunction(Checkpoint(module, layout), PROBES)
    found = float(jvp(centroids_at, centroids_at.theta)(direction))
    assert found == pytest.approx(slow_response(module, layout, direction, moving=True), rel=1e-6)
    assert abs(found - slow_response(module, layout, direction)) > 1e-3 * found  # held fixed, it is another number
    held = Probes(module.embed(TOKENS), scores, TARGETS)
    with pytest.raises(ValueError, match=r"'embed.weight' embeds the inputs, .* give embed"):
        CentroidFunction(Checkpoint(module, layout), held)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_module_of_16_bits_is_measured_in_float32(dtype: torch.dtype) -> None:
    module = Decoder().to(dtype)
    layout = ParamLayout.attention(module)
    direction = unit(layout.size)
    centroids_at = CentroidFunction(Checkpoint(module, layout), PROBES)
    assert centroids_at.theta.dtype == torch.float32
    found = float(central_difference(centroids_at, centroids_at.theta, 0.005)(direction))
    assert found == pytest.approx(slow_response(module, layout, direction), rel=1e-3)
    assert {parameter.dtype for parameter in module.parameters()} == {dtype}


def test_autocast_inside_the_network_is_refused() -> None:
    def halved(module: Any, h: Tensor, targets: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return scores(module, h, targets).float()

    module = Decoder()
    checkpoint = Checkpoint(module, ParamLayout.attention(module))
    with pytest.raises(ValueError, match=r"computes in torch.bfloat16 inside \(aten"):
        CentroidFunction(checkpoint, Probes(TOKENS, halved, TARGETS, embed))


class Mixing(nn.Module):
    """A network in which inputs of one batch see one another, in several ways."""

    def __init__(self, how: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.how, self.linear = how, nn.Linear(4, 4)
        self.norm = nn.BatchNorm1d(4, track_running_stats=how != "batch norm without statistics")
        self.head = nn.Linear(4, 3)

    def forward(self, h: Tensor) -> Tensor:
        z = self.linear(h)
        if "norm" in self.how:
            z = self.norm(z)
        elif self.how == "softmax over the batch":
            z = z.softmax(0)
        elif self.how == "a detached mean":
            z = torch.tanh(z - z.mean(0).detach())
        return self.head(torch.tanh(z))


HOW = ["batch norm without statistics", "softmax over the batch", "a detached mean"]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("count", [2, 5, 200])
def test_probes_that_see_one_another_are_refused(how: str, count: int) -> None:
    module = Mixing(how)
    probes = Probes(torch.randn(count, 4, generator=generator(0, "h")), lambda module, h: module(h).T)
    with pytest.raises(ValueError, match=r"centroid of probe \d+ \(task 0\) changes with the other probes"):
        CentroidFunction(Checkpoint(module, ParamLayout.select(module, "linear.weight")), probes)


def test_batch_norm_with_running_statistics_is_measured_with_them_and_keeps_them() -> None:
    module = Mixing("batch norm").train()
    module(torch.randn(50, 4))  # statistics other than the initial ones
    before, h = digest(module), torch.randn(9, 4, generator=generator(0, "h"))
    checkpoint = Checkpoint(module, ParamLayout.select(module, "linear.weight"))
    found = CentroidFunction(checkpoint, Probes(h, lambda module, h: module(h).T))(checkpoint.theta)
    copy = deepcopy(module).eval()
    torch.testing.assert_close(found, looped_centroids(lambda h: copy(h).T, h))
    assert digest(module) == before


def test_chunks_of_probes_give_the_same_response() -> None:
    module = Decoder()
    layout = ParamLayout.attention(module)
    whole, chunked = (CentroidFunction(Checkpoint(module, layout), PROBES, chunk) for chunk in (None, 5))
    torch.testing.assert_close(chunked(whole.theta), whole(whole.theta))
    for measure in (jvp, lambda at, theta: central_difference(at, theta, 0.005)):
        found, expected = (measure(at, at.theta)(unit(layout.size)) for at in (chunked, whole))
        torch.testing.assert_close(found, expected)
    assert [share for share, _ in chunked.chunks] == [5 / 12, 5 / 12, 2 / 12]


def test_slots_that_do_not_move_the_scores_are_refused() -> None:
    module = Decoder()

    def detached(module: Any, h: Tensor, targets: Tensor) -> Tensor:
        with torch.no_grad():
            weight = module.head.weight
        return F.linear(h[:, -1], weight).gather(1, targets.T).T

    checkpoint = Checkpoint(module, ParamLayout.select(module, "layer.self_attn.*", "layer.linear1.weight"))
    with pytest.raises(ValueError, match=r"do not depend on 'layer.self_attn.in_proj_weight', .* and 2 more \(of 5\)"):
        CentroidFunction(checkpoint, Probes(TOKENS, detached, TARGETS, embed))


@pytest.mark.parametrize(
    ("probes", "message"),
    [
        (
            Probes(TOKENS, scores, TARGETS),
            r"inputs: expected embedded .* got torch.int64; for tokens give embed",
        ),
        (Probes(TOKENS, scores, TARGETS, lambda module, tokens: tokens), "embed: expected embedded inputs"),
        (Probes(TOKENS, scores, TARGETS, lambda module, tokens: None), "embed: expected .* got None"),  # type: ignore[arg-type, return-value]
        (
            Probes(TOKENS, scores, TARGETS, lambda module, tokens: embed(module, tokens).flatten(0, 1)),
            r"embed: expected \[12 probes, ...\], got shape \(36, 8\)",
        ),
        (
            Probes(TOKENS, lambda module, h, targets: module.read(h), TARGETS, embed),
            r"scores: expected \[tasks, 12 probes\], .* \(12, 7\)",
        ),
        (
            Probes(TOKENS, lambda module, h, targets: module.read(h)[:, 0], TARGETS, embed),
            r"scores: expected \[tasks, 12 probes\], .* \(12,\)",
        ),
    ],
)
@pytest.mark.usefixtures("production")
def test_shapes_and_dtypes_are_checked_by_name(probes: Probes, message: str) -> None:
    module = Decoder()
    with pytest.raises(ValueError, match=message):
        CentroidFunction(Checkpoint(module, ParamLayout.attention(module)), probes)


@pytest.mark.usefixtures("production")
def test_targets_of_other_probes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"targets: expected \[tasks, 12 probes\], .* give targets\[None\]"):
        Probes(TOKENS, scores, TARGETS[0], embed)


def test_no_probes_at_a_time_are_refused() -> None:
    with pytest.raises(ValueError, match="size: expected at least one probe at a time, got -1"):
        PROBES.first(-1)


def state(module: nn.Module) -> dict[str, Any]:
    return dict(module.state_dict())


BAD_STATES: list[tuple[Callable[[nn.Module], dict[str, Any]], str]] = [
    (
        lambda module: {"model": state(module), "step": 3},
        r"a trainer's checkpoint with 'model', 'step'; .* checkpoint\['model'\]",
    ),
    (lambda module: {**state(module), "step": 3}, "expected a tensor for 'step', got int"),
    (
        lambda module: {"layer.linear1.weight": torch.ones(16, 8)},
        r"13 of 14 tensors are missing: 'embed.weight', .* and 10 more",
    ),
    (
        lambda module: {f"module.{name}": value for name, value in state(module).items()},
        "14 of 14 tensors are missing: .* is it 'module.embed.weight'",
    ),
    (lambda module: {**state(module), "other": torch.ones(2)}, "1 of its tensors Decoder does not have: 'other'"),
    (lambda module: {**state(module), "head.weight": torch.ones(8, 7)}, r"'head.weight': expected shape \(7, 8\), got"),
    (
        lambda module: {**state(module), "head.weight": torch.full((7, 8), torch.inf)},
        "head.weight: every value must be",
    ),
    (lambda module: {**state(module), "head.weight": torch.ones(7, 8, device="meta")}, "on the meta device"),
    (lambda module: {**state(module), "head.weight": torch.ones(7, 8).to_sparse()}, "expected a dense tensor"),
]


@pytest.mark.parametrize(("change", "message"), BAD_STATES)
def test_a_state_that_is_not_the_modules_is_refused(
    change: Callable[[nn.Module], dict[str, Any]], message: str
) -> None:
    module = Decoder()
    with pytest.raises(ValueError, match=message) as caught:
        Checkpoint(module, ParamLayout.attention(module), change(module))
    assert len(str(caught.value)) < 400


def test_tied_weights_in_a_state_come_once_or_agree() -> None:
    module = Decoder(tied=True)
    layout, whole = ParamLayout.attention(module), state(module)
    once = {name: value for name, value in whole.items() if name != "head.weight"}
    found = [Checkpoint(module, layout, given).at(lambda module: module(TOKENS))() for given in (whole, once)]
    assert torch.equal(*found)
    with pytest.raises(ValueError, match=r"'embed.weight' and 'head.weight' are tied in Decoder, but differ"):
        Checkpoint(module, layout, {**whole, "head.weight": torch.ones(7, 8)})


def test_what_a_state_dict_leaves_out_by_convention_is_named() -> None:
    module = Decoder()
    module.register_buffer("mask", torch.full((3, 3), -torch.inf).triu(1), persistent=False)
    checkpoint = Checkpoint(module, ParamLayout.attention(module), state(module))
    assert checkpoint.live == ("mask",)
    assert Checkpoint(module, ParamLayout.attention(module)).live == ()
