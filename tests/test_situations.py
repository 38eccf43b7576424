"""Networks of public bug reports on which comparable tools give a wrong number: the right one, or a clear refusal.

The right numbers come from differences of scores and losses alone, in float64, one probe at a time, of a fresh network
in eval whose parameters are moved in place: no derivative is asked for, and nothing of the library.
"""

import functools
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, parametrize

from sedlib.base.randomness import generator
from sedlib.coupling import central_difference, jvp
from sedlib.gradients import per_example_gradients, task_gradients
from sedlib.models.centroid_function import CentroidFunction
from sedlib.models.checkpoint import Checkpoint
from sedlib.models.probes import Probes
from sedlib.models.trials.derivatives import backward_error
from sedlib.vectors import ParamLayout

H = torch.randn(9, 4, generator=generator(0, "inputs"))
TARGETS = torch.randint(3, (1, 9), generator=generator(0, "targets"))
SLOTS = ("a.weight", "b.weight")


class Two(nn.Module):
    """Two layers; what a situation is about is in ``forward`` or in ``prepared``."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 5), nn.Linear(5, 3)
        self.prepared()

    def prepared(self) -> None:
        """What else it has."""

    def z(self, h: Tensor) -> Tensor:
        return torch.tanh(self.a(h))

    def forward(self, h: Tensor) -> Tensor:
        return self.b(self.z(h))


def network(forward: Callable[..., Tensor], prepared: Callable[..., None] = Two.prepared) -> type[Two]:
    return type("Situation", (Two,), {"forward": forward, "prepared": prepared})


def built(kind: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return kind().train()


def scores(module: Any, h: Tensor, targets: Tensor) -> Tensor:
    return module(h).gather(1, targets.T).T


def loss(module: nn.Module) -> Tensor:
    dtype = next(module.parameters()).dtype
    return F.cross_entropy(module(H.to(dtype)), TARGETS[0])


def moved(kind: Callable[[], nn.Module], slots: Mapping[str, Tensor]) -> nn.Module:
    module = built(kind).double()
    with torch.no_grad():
        for name, step in slots.items():
            module.get_parameter(name).add_(step)
    return module.eval()


def slow_response(kind: Callable[[], nn.Module], layout: ParamLayout, direction: Tensor) -> float:
    def centroids(scale: float) -> Tensor:
        module, step = moved(kind, layout.unflatten(scale * direction.double())), 1e-4
        rows = []
        for h, target in zip(H.double(), TARGETS.T, strict=True):
            steps = step * torch.eye(len(h), dtype=torch.float64)
            with torch.no_grad():
                found = [[scores(module, (h + way * e)[None], target[None]) for way in (1, -1)] for e in steps]
            rows.append([float(ahead - behind) / (2 * step) for ahead, behind in found])
        return torch.tensor(rows, dtype=torch.float64)

    return float(((centroids(1e-4) - centroids(-1e-4)) / 2e-4).square().sum(1).mean())


def slow_gradient(kind: Callable[[], nn.Module], layout: ParamLayout) -> Tensor:
    def at(step: Tensor) -> float:
        with torch.no_grad():
            return float(loss(moved(kind, layout.unflatten(step))))

    steps = 1e-5 * torch.eye(layout.size, dtype=torch.float64)
    return torch.tensor([(at(step) - at(-step)) / 2e-5 for step in steps], dtype=torch.float64)


def unit(size: int) -> Tensor:
    direction = torch.randn(size, generator=generator(0, "direction"))
    return direction / direction.norm()


def response(module: nn.Module, layout: ParamLayout, measure: str, chunk: int | None = None) -> float:
    centroids_at = CentroidFunction(Checkpoint(module, layout), Probes(H, scores, TARGETS), chunk)
    theta = centroids_at.theta
    respond = jvp(centroids_at, theta) if measure == "jvp" else central_difference(centroids_at, theta, 0.002)
    return float(respond(unit(layout.size)))


# --- what a network keeps


def cached(self: Any, h: Tensor) -> Tensor:
    """A normalised weight is computed once in eval; another path uses the weight itself."""
    if self.training or self.kept is None:
        self.kept = F.normalize(self.a.weight)
    return self.b(torch.tanh(h @ self.kept.T + 0.3 * h @ self.a.weight.T))


def in_a_dict(self: Any, h: Tensor) -> Tensor:
    weight = self.kept.setdefault("weight", F.normalize(self.a.weight))
    return self.b(torch.tanh(h @ weight.T + 0.3 * h @ self.a.weight.T))


class ByFunctools(Two):
    @functools.lru_cache  # noqa: B019
    def method(self) -> Tensor:
        return F.normalize(self.a.weight)

    @functools.cached_property
    def value(self) -> Tensor:
        return F.normalize(self.a.weight, dim=0)

    def forward(self, h: Tensor) -> Tensor:
        return self.b(torch.tanh(h @ (self.method() + self.value).T))


class Flagged(Two):
    """A flag of its own that ``train`` sets."""

    def train(self, mode: bool = True) -> "Flagged":
        self.scale = 1.5 if mode else 1.0
        return super().train(mode)

    def forward(self, h: Tensor) -> Tensor:
        return self.b(self.scale * self.z(h))


class MergedInEval(Two):
    """An adapter that ``eval`` adds to the weight, as in loralib."""

    def prepared(self) -> None:
        self.up, self.down, self.is_merged = nn.Parameter(torch.ones(5, 1)), nn.Parameter(torch.ones(1, 4)), False

    def train(self, mode: bool = True) -> "MergedInEval":
        if self.is_merged == mode:
            self.a.weight.data += (-1 if mode else 1) * self.up @ self.down
            self.is_merged = not mode
        return super().train(mode)

    def forward(self, h: Tensor) -> Tensor:
        weight = self.a.weight if self.is_merged else self.a.weight + self.up @ self.down
        return self.b(torch.tanh(h @ weight.T))


class TiedByData(Two):
    def prepared(self) -> None:
        self.c = nn.Linear(4, 5, bias=False)
        self.c.weight.data = self.a.weight.data

    def _apply(self, function: Any, recurse: bool = True) -> "TiedByData":
        super()._apply(function, recurse)
        self.c.weight.data = self.a.weight.data
        return self

    def forward(self, h: Tensor) -> Tensor:
        return self.b(self.z(h) * torch.tanh(self.c(h)))


def counts_calls(self: Any, h: Tensor) -> Tensor:
    self.calls = getattr(self, "calls", 0) + 1
    return self.b(self.z(h) * (1.0 if self.calls < 5 else 2.0))


def counted(self: Any, h: Tensor) -> Tensor:
    """Each evaluation of the slow way is a first one."""
    return self.b(self.z(h))


def writes_to_h(self: Any, h: Tensor) -> Tensor:
    return self.b(self.z(h.clamp_(-1, 1).abs_()))


def with_forces(self: Any, h: Tensor) -> Tensor:
    """A derivative by the input is a part of the network, as of an energy."""
    with torch.enable_grad():
        h = h if h.requires_grad else h.detach().requires_grad_()
        return torch.autograd.grad(self.b(self.z(h)).square().sum(), h, create_graph=True)[0][:, :3]


def filled(module: nn.Module) -> None:
    with torch.no_grad():
        module.eval()(H)


def nothing(module: nn.Module) -> None:
    pass


Right = tuple[Callable[[], nn.Module], Callable[[nn.Module], None], Callable[[], nn.Module] | None]
RIGHT: dict[str, Right] = {
    "plain": (Two, nothing, None),
    "weight cache": (network(cached, lambda self: setattr(self, "kept", None)), nothing, None),
    "weight cache, filled": (network(cached, lambda self: setattr(self, "kept", None)), filled, None),
    "weight cache in a dict": (network(in_a_dict, lambda self: setattr(self, "kept", {})), nothing, None),
    "weight cache in a dict, filled": (network(in_a_dict, lambda self: setattr(self, "kept", {})), filled, None),
    "functools.cache": (ByFunctools, nothing, None),
    "functools.cache, filled": (ByFunctools, filled, None),
    "flag set by train": (Flagged, nothing, None),
    "adapter merged by eval": (MergedInEval, nothing, None),
    "tied by .data": (TiedByData, nothing, None),
    "counts its calls": (network(counts_calls), nothing, network(counted)),
    "writes to its input": (network(writes_to_h), nothing, None),
    "autograd.grad inside": (network(with_forces), nothing, None),
    "spectral norm by a hook": (network(Two.forward, lambda self: nn.utils.spectral_norm(self.b)), nothing, None),
}


@pytest.mark.parametrize("name", RIGHT)
def test_the_number_is_right_and_the_module_stays(name: str) -> None:
    kind, prepare, slow = RIGHT[name]
    module = built(kind)
    prepare(module)
    names = [name for name, _ in module.named_parameters() if name in (*SLOTS, "up", "b.weight_orig")]
    layout, before = ParamLayout.select(module, names), dict(vars(module))
    expected = slow_response(slow or kind, layout, unit(layout.size))
    for measure in ("difference", "jvp"):
        assert response(module, layout, measure) == pytest.approx(expected, rel=5e-3)
    if name != "writes to its input":  # which is the batch here
        found = task_gradients(lambda module: {"t": loss(module)}, module, layout)["t"].double()
        torch.testing.assert_close(found, slow_gradient(slow or kind, layout), rtol=1e-4, atol=1e-6)
    assert {name: id(value) for name, value in vars(module).items()} == {
        key: id(value) for key, value in before.items()
    }
    deepcopy(module)  # nothing is left in it that has a graph


# --- what must be refused


def detached_input(self: Any, h: Tensor) -> Tensor:
    return self.b(torch.tanh(self.a(h) + self.a(h.detach())))


def no_grad_inside(self: Any, h: Tensor) -> Tensor:
    with torch.no_grad():
        rest = self.b(self.z(2 * h))
    return self.b(self.z(h)) + rest


def straight_through(self: Any, h: Tensor) -> Tensor:
    z = self.z(h)
    return self.b(z + (torch.round(8 * z) / 8 - z).detach())


class Reversed(torch.autograd.Function):
    """A backward pass that is not the derivative, as for domain adaptation."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return -gradient


def dispatched(self: Any, h: Tensor) -> Tensor:
    """Experts of a capacity: of the probes that choose one the last are dropped."""
    gates = self.a(h)[:, :2].softmax(1)
    weights, chosen = gates.max(1)
    output = self.b(self.z(h))
    for expert in range(2):
        kept = (chosen == expert).nonzero().flatten()[: len(h) // 2]
        output = output.index_add(0, kept, weights[kept, None] * self.z(h)[kept, :3])
    return output


def with_dropout(self: Any, h: Tensor) -> Tensor:
    z = self.z(h)[:, None]
    return self.b(F.scaled_dot_product_attention(z, z, z, dropout_p=0.1)[:, 0])


def counts_in_a_buffer(self: Any, h: Tensor) -> Tensor:
    self.seen += 1
    return self.b(self.z(h)) / (1 + 0.01 * self.seen)


def seen(self: Any) -> None:
    self.register_buffer("seen", torch.zeros(()))


def listed(self: Any) -> None:
    self.others = [nn.Linear(5, 5)]


def kept_with_graph(self: Any) -> None:
    self.kept = F.normalize(self.a.weight)


def expanded(self: Any) -> None:
    self.a.weight = nn.Parameter(torch.ones(1, 1).expand(5, 4))


def overlapping(self: Any) -> None:
    self.a.weight = nn.Parameter(self.b.weight.data.view(-1)[:12].view(3, 4).repeat(2, 1)[:5])
    self.part = nn.Parameter(self.a.weight.data[:2])


def hooked(self: Any) -> None:
    self.b.register_full_backward_hook(lambda module, inputs, outputs: tuple(2 * gradient for gradient in inputs))


REFUSED: dict[str, tuple[type[nn.Module], str]] = {
    "detach": (network(detached_input), r"of the embedded inputs autograd gives the slope .* detach"),
    "no_grad": (network(no_grad_inside), r"of the embedded inputs autograd gives the slope"),
    "straight-through estimator": (network(straight_through), r"a difference 0: look in the network for detach"),
    "gradient reversal": (
        network(lambda self, h: self.b(self.z(h)) + self.b(Reversed.apply(self.z(0.7 * h)))),
        r"of the embedded inputs autograd gives the slope",
    ),
    "backward hook": (network(Two.forward, hooked), r"scores: PyTorch cannot .* backward hooks"),
    "expert capacity": (network(dispatched), r"centroid of probe \d+ .* changes with the other probes"),
    "F.dropout": (
        network(lambda self, h: self.b(F.dropout(self.z(h)))),
        r"a score is .* and then .* at the same parameters: .* draw no random numbers \(dropout",
    ),
    "dropout of attention": (network(with_dropout), r"a score is .* and then .* draw no random numbers"),
    "counter in a buffer": (network(counts_in_a_buffer, seen), r"the network changes 'seen' at every call"),
    "module in a list": (
        network(lambda self, h: self.b(self.others[0](self.z(h))), listed),
        r"depends on a parameter of shape \(5, 5\) that is not one of Situation's, .*nn.ModuleList",
    ),
    "kept with a graph": (
        network(lambda self, h: self.b(torch.tanh(self.a(h) + h @ self.kept.T)), kept_with_graph),
        r"a tensor that was computed from 'a.weight' before this measurement, and would not move with it",
    ),
    "expanded parameter": (network(Two.forward, expanded), r"'a.weight' is expanded: one number .* several"),
    "overlapping parameters": (
        network(lambda self, h: self.b(self.z(h)) + (h @ self.part.T).sum(1, keepdim=True), overlapping),
        r"'part' shares a part of its memory with 'a.weight'",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.usefixtures("production")
def test_what_has_no_right_number_is_refused_by_name(name: str) -> None:
    kind, message = REFUSED[name]
    module = built(kind)
    with pytest.raises(ValueError, match=message) as caught:
        response(module, ParamLayout.select(module, list(SLOTS)), "difference")
    assert len(str(caught.value)) < 600


def test_both_names_of_one_memory_are_no_two_slots() -> None:
    module = built(TiedByData)
    with pytest.raises(ValueError, match=r"'c.weight' and 'a.weight' share one memory \(tied by .data\)"):
        Checkpoint(module, ParamLayout.select(module, "a.weight", "c.weight"))


def straight_weights(self: Any, h: Tensor) -> Tensor:
    weight = self.a.weight
    return self.b(torch.tanh(F.linear(h, weight + (torch.round(8 * weight) / 8 - weight).detach())))


def half_detached(self: Any, h: Tensor) -> Tensor:
    return self.b(torch.tanh(self.a(h) + h @ self.a.weight.detach().T))


@pytest.mark.parametrize("forward", [straight_weights, half_detached])
def test_slots_that_forward_mode_does_not_follow_are_for_the_difference(forward: Callable[..., Tensor]) -> None:
    module = built(network(forward))
    layout = ParamLayout.select(module, list(SLOTS))
    if forward is half_detached:
        expected = slow_response(network(forward), layout, unit(layout.size))
        assert response(module, layout, "difference") == pytest.approx(expected, rel=5e-3)
    with pytest.raises(ValueError, match=r"jvp: along one direction of the slots .* or take sedlib.central_difference"):
        response(module, layout, "jvp")
    with pytest.warns(UserWarning, match=r"losses: along one direction .* what an optimizer gets, but no derivative"):
        task_gradients(lambda module: {"t": loss(module)}, module, layout)


@pytest.mark.parametrize("kind", [nn.LeakyReLU, nn.Hardtanh, nn.Hardswish])
def test_kinks_are_no_false_derivatives(kind: type[nn.Module]) -> None:
    """Of networks with many kinks: in one step, a difference is often another slope."""
    for seed in range(60):
        torch.manual_seed(seed)
        layers = [layer for _ in range(6) for layer in (nn.Linear(16, 16), kind())]
        module, h = nn.Sequential(*layers, nn.Linear(16, 1)), 10 ** (seed % 3) * torch.randn(8 * 16)

        def values(flat: Tensor, finish: Callable[[Tensor], Any], module: nn.Module = module) -> Any:
            return finish(module(flat.view(8, 16)))

        assert backward_error(values, h) is None, seed


def test_what_is_not_finite_is_no_false_derivative() -> None:
    def values(x: Tensor, finish: Callable[[Tensor], Any]) -> Any:
        return finish((x * 0).sqrt())

    assert backward_error(values, torch.ones(3)) is None


def test_an_operation_without_forward_mode_is_told() -> None:
    module = built(network(Two.forward, lambda self: parametrizations.weight_norm(self.a)))
    layout = ParamLayout.select(module, "a.parametrizations.weight.original1")
    with pytest.raises(ValueError, match=r"jvp: no derivative in forward mode \(.*\); take central_difference"):
        response(module, layout, "jvp")
    expected = response(module, layout, "difference")
    with parametrize.cached(), pytest.raises(ValueError, match=r"do not depend on .* kept from an earlier call"):
        response(module, layout, "difference")
    assert response(module, layout, "difference") == expected


@pytest.mark.parametrize("is_slot", [True, False])
def test_an_embedding_that_rewrites_itself(is_slot: bool) -> None:
    """``max_norm`` renormalises rows in place, in eval too."""
    torch.manual_seed(0)
    table, rest = nn.Embedding(7, 4, max_norm=0.5), nn.Sequential(nn.Tanh(), nn.Linear(4, 3))
    module = nn.Sequential(table, rest)
    tokens = torch.randint(7, (9,), generator=generator(0, "tokens"))
    probes = Probes(tokens, lambda module, h, targets: scores(rest, h, targets), TARGETS, lambda module, t: table(t))
    layout, before = ParamLayout.select(module, "0.weight" if is_slot else "1.1.weight"), table.weight.detach().clone()
    checkpoint = Checkpoint(module, layout)
    if is_slot:
        with pytest.raises(ValueError, match=r"'0.weight' is written in place .* max_norm"):
            CentroidFunction(checkpoint, probes)
    else:
        found = CentroidFunction(checkpoint, probes)(checkpoint.theta)
        h = F.embedding(tokens, before, max_norm=0.5).requires_grad_()
        (expected,) = torch.autograd.grad(scores(rest, h, TARGETS).sum(), h)
        torch.testing.assert_close(found[0], expected)
    assert torch.equal(checkpoint.theta, layout.flatten(dict(module.state_dict())))


def test_a_mask_of_all_probes_does_not_go_with_chunks() -> None:
    mask = (torch.rand(9, 4, generator=generator(0, "mask")) > 0.3).float()
    module = built(Two)
    checkpoint = Checkpoint(module, ParamLayout.select(module, list(SLOTS)))
    probes = Probes(H, lambda module, h, targets: scores(module, h * mask[: len(h)], targets), TARGETS)
    CentroidFunction(checkpoint, probes)  # all at once
    with pytest.raises(ValueError, match=r"a probe's place among the others, but chunks .* come with targets"):
        CentroidFunction(checkpoint, probes, chunk=4)


@pytest.mark.parametrize("made", [H.double(), H[:, :3]])
@pytest.mark.usefixtures("production")
def test_what_pytorch_says_of_inputs_is_said_of_scores(made: Tensor) -> None:
    module = built(Two)
    with pytest.raises(
        ValueError,
        match=r"(cannot compute or differentiate them|of different dtypes meet in the network): .*mat1 and mat2",
    ):
        CentroidFunction(Checkpoint(module, ParamLayout.select(module, "a.weight")), Probes(made, scores, TARGETS))


def test_tensors_of_inference_mode_are_measured() -> None:
    with torch.inference_mode():
        module, h = built(Two), H.clone()
    layout, plain = ParamLayout.select(module, list(SLOTS)), built(Two)
    at = [
        CentroidFunction(Checkpoint(some, layout), Probes(x, scores, TARGETS)) for some, x in ((module, h), (plain, H))
    ]
    assert torch.equal(at[0](at[0].theta), at[1](at[1].theta))


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (lambda module: (loss(module), module(H).square().mean()), r"tensor of shape \(\) that depends on parameters"),
        (lambda module: (loss(module), module(H)), r"a pair with a tensor of shape \(9, 3\); add losses up"),
    ],
)
def test_a_second_loss_is_no_count(pair: Callable[..., Any], message: str) -> None:
    module = built(Two)
    with pytest.raises(ValueError, match=message):
        task_gradients(lambda module: {"t": pair(module)}, module, ParamLayout.select(module, "*"))


def test_autocast_inside_a_loss_is_refused() -> None:
    def halved(module: nn.Module) -> dict[str, Tensor]:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return {"t": loss(module).float()}

    module = built(Two)
    with pytest.raises(ValueError, match=r"computes in torch.bfloat16 inside"):
        task_gradients(halved, module, ParamLayout.select(module, "*"))


def test_a_loss_of_the_live_module_has_no_rows() -> None:
    module = built(Two)
    checkpoint = Checkpoint(module, ParamLayout.select(module, list(SLOTS)))

    def live(theta: Tensor, h: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(module(h[None]), target[None])

    def half(theta: Tensor, h: Tensor, target: Tensor) -> Tensor:
        moved = checkpoint.at(lambda module: half_detached(module, h[None]), theta)()
        return F.cross_entropy(moved, target[None])

    with pytest.raises(ValueError, match=r"loss_at: it does not depend on theta; let it call checkpoint.at"):
        per_example_gradients(live, checkpoint.theta, (H, TARGETS[0]))
    with pytest.warns(UserWarning, match=r"loss_at: along one direction of the slots"):
        per_example_gradients(half, checkpoint.theta, (H, TARGETS[0]))
