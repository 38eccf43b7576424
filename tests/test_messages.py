"""Networks that people have, and ordinary slips with them: a right number, or a short error with names and a remedy."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.utils.prune
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint as computed_again

from sedlib.base.randomness import generator
from sedlib.coupling import central_difference, jvp
from sedlib.gradients import task_gradients
from sedlib.models.centroid_function import CentroidFunction
from sedlib.models.checkpoint import Checkpoint
from sedlib.models.probes import Probes
from sedlib.vectors import ParamLayout
from tests.messages import refused

pytestmark = pytest.mark.usefixtures("production")

H = torch.randn(12, 4, generator=generator(0, "h"))
X = torch.randn(6, 4, generator=generator(0, "x"))
TOKENS = torch.randint(7, (12, 3), generator=generator(0, "tokens"))


def given(value: object) -> Any:
    """What annotations forbid, as users without a type checker give it."""
    return value


def mlp(dtype: torch.dtype = torch.float32) -> Any:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).to(dtype)


def layout_of(module: nn.Module, *patterns: str) -> ParamLayout:
    return ParamLayout.select(module, *(patterns or ("*0.weight",)))


def scores(module: Any, h: Tensor) -> Tensor:
    return module(h).T


def centroid_function(
    module: nn.Module, layout: ParamLayout | None = None, probes: Probes | None = None
) -> CentroidFunction:
    return CentroidFunction(Checkpoint(module, layout or layout_of(module)), probes or Probes(H, scores))


def response(module: nn.Module, *patterns: str, kind: str = "jvp", probes: Probes | None = None) -> Tensor:
    layout = layout_of(module, *patterns)
    at = centroid_function(module, layout, probes)
    direction = torch.randn(layout.size, generator=generator(0, "direction"))
    direction /= direction.norm()
    return (jvp(at, at.theta) if kind == "jvp" else central_difference(at, at.theta, 0.005))(direction)


def loss(module: Any) -> dict[str, Tensor]:
    return {"a": module(X).square().mean()}


def gradient(module: nn.Module, losses: Callable[..., Any] = loss, *patterns: str, **options: Any) -> dict[str, Tensor]:
    return task_gradients(losses, module, layout_of(module, *patterns), **options)


class Around(nn.Module):
    """A network whose activations are computed again in the backward pass."""

    def __init__(self, *, use_reentrant: bool) -> None:
        super().__init__()
        self.inner, self.use_reentrant = mlp(), use_reentrant

    def forward(self, h: Tensor) -> Any:
        return computed_again(self.inner, h, use_reentrant=self.use_reentrant)


class Recurrent(nn.Module):
    def __init__(self, kind: Callable[..., nn.Module]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.head = kind(4, 5, batch_first=True), nn.Linear(5, 3)

    def forward(self, h: Tensor) -> Tensor:
        return self.head(self.layer(h[:, None].expand(-1, 3, -1))[0][:, -1])


class Embedded(nn.Module):
    def __init__(self, *, tied: bool = False, **options: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.head = nn.Embedding(7, 4, **options), nn.Linear(4, 7, bias=False)
        if tied:
            self.head.weight = self.embed.weight

    def forward(self, tokens: Tensor) -> Tensor:
        return self.read(self.embed(tokens))

    def read(self, h: Tensor) -> Tensor:
        return self.head(torch.tanh(h.sum(1)))


def token_loss(module: Any) -> dict[str, Tensor]:
    return {"a": module(TOKENS).square().mean()}


def with_meta(module: Any) -> Any:
    return deepcopy(module).to("meta")


def quantised(module: Any) -> Any:
    module[2] = torch.ao.quantization.quantize_dynamic(nn.Sequential(module[2]), {nn.Linear})
    return module


WRAPPERS: dict[str, Callable[[Any], Any]] = {
    "plain": lambda module: module,
    "frozen": lambda module: module.requires_grad_(False),
    "compiled": lambda module: torch.compile(module, backend="eager"),
    "DataParallel": nn.DataParallel,
    "scripted": torch.jit.script,
    "traced": lambda module: torch.jit.trace(module, H),
    "traced by fx": torch.fx.symbolic_trace,
}


@pytest.mark.parametrize("name", WRAPPERS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_a_wrapped_network_has_the_numbers_of_the_network(name: str) -> None:
    wrapped = WRAPPERS[name](mlp())
    for kind in ("jvp", "difference"):
        torch.testing.assert_close(response(wrapped, kind=kind), response(mlp(), kind=kind), rtol=1e-3, atol=0)
    torch.testing.assert_close(gradient(wrapped), gradient(mlp()))


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_layers_have_their_gradients_and_responses(kind: Callable[..., nn.Module]) -> None:
    module = Recurrent(kind)
    found = gradient(module, loss, "layer.weight*")["a"]
    module.eval().requires_grad_(True)
    module(X).square().mean().backward()
    expected = [parameter.grad for name, parameter in module.named_parameters() if name.startswith("layer.weight")]
    torch.testing.assert_close(found, torch.cat([part.flatten() for part in expected if part is not None]))
    assert response(module, "layer.weight*", kind="difference").isfinite().all()


def test_checkpointing_that_is_not_reentrant_keeps_gradients() -> None:
    module = Around(use_reentrant=False)
    torch.testing.assert_close(gradient(module, loss, "inner.0.weight"), gradient(mlp()))


FILES: dict[str, tuple[Callable[[dict[str, Tensor]], Any], str]] = {
    "a trainer's checkpoint": (lambda state: {"state_dict": state, "epoch": 1}, r"checkpoint\['state_dict'\]"),
    "under any name": (lambda state: {"ema": state}, r"a trainer's checkpoint with 'ema'; .*checkpoint\['ema'\]"),
    "nested": (lambda state: {"model": {"net": state}}, r"checkpoint\['model'\]\['net'\]"),
    "an optimizer's state": (
        lambda state: torch.optim.AdamW(mlp().parameters()).state_dict(),
        "expected a tensor for 'state', got dict; is this the state of an optimizer",
    ),
    "a path": (lambda state: "checkpoint.pt", r"state: expected a state dict .* got a str \('checkpoint.pt'\); load"),
    "a module": (lambda state: mlp(), r"state: expected a state dict .* got a Sequential; give its state_dict\(\)"),
    "a list": (lambda state: list(state.values()), "state: expected a state dict of tensors, got a list"),
    "arrays": (
        lambda state: {name: value.numpy() for name, value in state.items()},
        "'0.weight', got ndarray; torch.as",
    ),
    "numbers as names": (lambda state: dict(enumerate(state.values())), "names as texts, got an int"),
    "nothing": (lambda state: {}, "4 of 4 tensors are missing: .* is it the state of another model"),
    "DataParallel's": (
        lambda state: {f"module.{name}": value for name, value in state.items()},
        r"the prefix 'module.': give \{name.removeprefix",
    ),
    "torch.compile's": (
        lambda state: {f"_orig_mod.{name}": value for name, value in state.items()},
        "all under the prefix '_orig_mod.'",
    ),
    "long names": (lambda state: {"layers." * 90 + name: value for name, value in state.items()}, "under the prefix"),
    "another model's": (lambda state: {f"{i}.bias": torch.ones(2) for i in range(900)}, "2 of 4 tensors are missing"),
    "another size": (
        lambda state: {**state, "2.weight": torch.ones(3, 6)},
        r"'2.weight': expected shape \(3, 5\), got",
    ),
    "integers": (
        lambda state: {name: value.to(torch.int8) for name, value in state.items()},
        "state: '0.weight': expected floating-point numbers as the module has, got torch.int8",
    ),
    "NaN": (lambda state: {**state, "0.weight": torch.full((5, 4), torch.nan)}, "0.weight: every value must be finite"),
    "meta": (lambda state: {**state, "0.weight": torch.ones(5, 4, device="meta")}, "'0.weight' is on the meta device"),
}


@pytest.mark.parametrize("name", FILES)
def test_what_is_no_state_of_the_network_says_what_is(name: str) -> None:
    change, message = FILES[name]
    module = mlp()
    refused(lambda: Checkpoint(module, layout_of(module), change(dict(module.state_dict()))), message)


def test_a_wrapped_module_is_told_apart_from_the_state_of_the_module() -> None:
    wrapped = nn.DataParallel(mlp())
    refused(lambda: Checkpoint(wrapped, layout_of(wrapped), mlp().state_dict()), "wrapped under 'module.': give what")


def double_slots() -> object:
    """Two names of one parameter, in a layout that is made by hand."""
    layout = ParamLayout(("embed.weight", "head.weight"), ((7, 4), (7, 4)))
    return Checkpoint(Embedded(tied=True), layout)


def double_inside() -> object:
    module = mlp()
    module[2].double()
    return Checkpoint(module, layout_of(module, "*.weight"))


def lazy() -> object:
    module = nn.Sequential(nn.Linear(4, 5), nn.LazyLinear(3))
    return Checkpoint(module, layout_of(module))


CHECKPOINTS: dict[str, tuple[Callable[[], object], str]] = {
    "a class": (lambda: Checkpoint(given(nn.Linear), layout_of(mlp())), "got the class Linear; make one of it"),
    "a state dict": (
        lambda: Checkpoint(given(mlp().state_dict()), layout_of(mlp())),
        "module: expected a torch.nn.Module, got a OrderedDict|got an OrderedDict",
    ),
    "a glob for a layout": (
        lambda: Checkpoint(mlp(), given("0.weight")),
        r"layout: expected a ParamLayout, got a str .*select",
    ),
    "another module's layout": (lambda: Checkpoint(Embedded(), layout_of(mlp())), "'0.weight' is missing; there are"),
    "another size": (lambda: Checkpoint(nn.Sequential(nn.Linear(3, 3)), layout_of(mlp())), r"shape \(5, 4\), got \(3,"),
    "a buffer": (
        lambda: Checkpoint(nn.BatchNorm1d(5), ParamLayout(("running_mean",), ((5,),))),
        "expected parameters, got the buffer 'running_mean'",
    ),
    "tied slots": (double_slots, "'head.weight' is tied to 'embed.weight', so one parameter|one memory"),
    "two dtypes": (double_inside, "slots: expected one dtype, got torch.float32 of '0.weight' and torch.float64 of"),
    "lazy": (lazy, "'1.weight' has no size yet"),
    "meta": (lambda: Checkpoint(with_meta(mlp()), layout_of(mlp())), "on the meta device and has no values; load"),
    "no function": (lambda: Checkpoint(mlp(), layout_of(mlp())).at(given(X)), "function: expected a function of"),
    "θ of another size": (
        lambda: Checkpoint(mlp(), layout_of(mlp())).at(scores, torch.ones(19)),
        r"vector of 20 elements \(0.weight\), got shape \(19,\)",
    ),
    "θ in another dtype": (
        lambda: Checkpoint(mlp(), layout_of(mlp())).at(scores, torch.ones(20).double()),
        "theta: expected torch.float32 on cpu, .* got torch.float64",
    ),
    "θ of NumPy": (
        lambda: Checkpoint(mlp(), layout_of(mlp())).at(scores, given(np.ones(20))),
        "theta: expected a tensor of 20 elements, got a NumPy array",
    ),
    "train inside": (
        lambda: Checkpoint(mlp(), layout_of(mlp())).at(lambda module: module.train()(X))(),
        "put 'Sequential', '0', '1' and 1 more in train mode",
    ),
    "re-entrant": (
        lambda: gradient(Around(use_reentrant=True), loss, "inner.0.weight"),
        "computes activations of 'Sequential' again in the re-entrant way .*use_reentrant=False",
    ),
    "computed again under a centroid": (
        lambda: response(Around(use_reentrant=False), "inner.0.weight"),
        "activation checkpointing.*switch it off for the measurement",
    ),
    "float64 inputs": (
        lambda: response(mlp(), probes=Probes(H.double(), scores)),
        r"different dtypes meet in the network: the slots are torch.float32; give inputs .*PyTorch: mat1 and mat2",
    ),
    "float64 module": (lambda: response(mlp(torch.float64)), "the slots are torch.float64"),
    "no forward derivative": (
        lambda: response(Recurrent(nn.LSTM), "layer.*"),
        "no derivative in forward mode.*central",
    ),
    "quantised beyond the slots": (
        lambda: response(quantised(mlp())),
        "the quantised '2.0', .* have no derivative",
    ),
    "sharded": (
        lambda: Checkpoint(sharded(), layout_of(mlp())),
        r"'0.weight' is sharded \(DTensor.*full_state_dict=True",
    ),
}


class Sharded(Tensor):
    """What tells a DTensor: it can gather itself."""

    def full_tensor(self) -> Tensor:
        return self.as_subclass(Tensor)


def sharded() -> nn.Module:
    module = mlp()
    module[0].weight = nn.Parameter(module[0].weight.detach().as_subclass(Sharded))
    return module


@pytest.mark.parametrize("name", CHECKPOINTS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_what_cannot_be_measured_says_what_to_do(name: str) -> None:
    refused(*CHECKPOINTS[name])


def trained(module: Any) -> dict[str, Tensor]:
    return {"a": module.train()(X).square().mean()}


def in_16_bits(module: Any) -> dict[str, Tensor]:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return {"a": module(X).float().square().mean()}


LOSSES: dict[str, tuple[Callable[..., Any], str]] = {
    "a tensor": (lambda module: module(X).mean(), "losses: expected {name: loss, …} of the function, got a tensor"),
    "a tuple": (lambda module: (module(X).mean(), 3), "losses: expected {name: loss, …} of the function, got a tuple"),
    "none": (lambda module: {}, "losses: expected {name: loss, …} of the function, got none"),
    "an item": (lambda module: {"a": module(X).mean().item()}, r"must be a finite scalar .*got a float .*without item"),
    "an array": (lambda module: {"a": module(X).mean().detach().numpy()}, "got a NumPy array .*without item or numpy"),
    "a vector": (lambda module: {"a": module(X).mean(1)}, r"got shape \(6,\); take its mean"),
    "a decision": (lambda module: {"a": module(X).argmax(1).sum()}, "got torch.int64: a count or a decision"),
    "complex": (lambda module: {"a": module(X).mean() * 1j}, "real floating-point number, got torch.complex64"),
    "NaN": (
        lambda module: {"a": module(X).mean() * torch.nan},
        "the loss of task 'a' must be a finite scalar, got nan",
    ),
    "a dict inside": (lambda module: {"a": loss(module)}, "must be a finite scalar tensor, got a dict"),
    "three": (lambda module: {"a": (module(X).sum(), 1, 2)}, "a loss, or a pair of a sum and its count, got 3"),
    "no count": (lambda module: {"a": (module(X).sum(), None)}, "the count of task 'a': expected a number, got None"),
    "detached": (lambda module: {"a": module(X).mean().detach()}, "has no gradient in: '0.weight'; .*detach, no_grad"),
    "another module's": (lambda module: loss(mlp()), "'0.weight'|not one of Sequential"),
    "backward before": (
        lambda module: {"a": (value := module(X).mean(), value.backward())[0]},
        "losses: PyTorch cannot compute or differentiate them",
    ),
    "of no module": (lambda: {}, r"losses: expected a function of \(module\), got one of \(\)"),
    "of a batch": (
        lambda module, batch: loss(module),
        r"expected a function of \(module\), got one of \(module, batch\)",
    ),
    "in train mode": (trained, "in train mode"),
    "in 16 bits": (in_16_bits, r"computes in torch.bfloat16 inside"),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses_without_a_right_gradient_say_why(name: str) -> None:
    losses, message = LOSSES[name]
    refused(lambda: gradient(mlp(), losses), message)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: gradient(Embedded(sparse=True), token_loss, "embed.weight"),
            r"sparse.* 'embed' \(sparse=True\): set sp",
        ),
        (lambda: gradient(quantised(mlp())), "has no gradient in: '0.weight'; .*the quantised '2.0'"),
        (lambda: gradient(mlp(), batches=X), "batches: .*got a tensor .*; a list or a loader of batches"),
        (lambda: gradient(mlp(), batches=3), "batches: .* got an int"),
        (lambda: gradient(mlp(), batches=[X]), r"expected a function of \(module, batch\), got one of \(module\)"),
        (
            lambda: task_gradients(given(loss(mlp())), mlp(), layout_of(mlp())),
            "got a dict; .*not losses computed before",
        ),
        (lambda: task_gradients(loss, mlp(), given(["0.weight"])), "layout: expected a ParamLayout, got a list"),
        (
            lambda: task_gradients(mlp(), given(loss), layout_of(mlp())),
            "module: expected a torch.nn.Module, got a function",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_gradients_that_cannot_be_taken_say_of_what(call: Callable[[], object], message: str) -> None:
    refused(call, message)


def embed(module: Any, tokens: Tensor) -> Tensor:
    return module.embed(tokens)


PROBES: dict[str, tuple[Callable[[], object], str]] = {
    "arrays": (
        lambda: Probes(given(H.numpy()), scores),
        "inputs: expected a tensor, got a NumPy array .*torch.as_tensor",
    ),
    "a list": (lambda: Probes(given(H.tolist()), scores), "inputs: expected a tensor, got a list"),
    "none": (lambda: Probes(H[:0], scores), "inputs: expected at least one probe"),
    "a number": (lambda: Probes(torch.tensor(1.0), scores), "inputs: expected at least one probe"),
    "meta": (lambda: Probes(H.to("meta"), scores), "inputs: expected a dense tensor, got .* meta device"),
    "targets of NumPy": (
        lambda: Probes(H, scores, given(np.ones((1, 12)))),
        "targets: expected a tensor, got a NumPy array",
    ),
    "in each other's place": (
        lambda: Probes(H, given(H[None, :, 0]), given(scores)),
        "in each other's place|scores: expected a func",
    ),
    "no scores": (lambda: Probes(H, given(None)), r"scores: expected a function of \(module, h\), got None"),
    "scores of h alone": (lambda: Probes(H, lambda h: h.T), r"scores: expected a function of \(module, h\)"),
    "a module that embeds": (
        lambda: Probes(TOKENS, scores, embed=Embedded().embed),
        "embed: expected the name of a sub",
    ),
    "tokens for embeddings": (
        lambda: centroid_function(Embedded(), layout_of(Embedded(), "head.weight"), Probes(TOKENS, scores)),
        "expected embedded inputs .* got torch.int64; for tokens give embed",
    ),
    "tokens as numbers": (
        lambda: centroid_function(
            Embedded(),
            layout_of(Embedded(), "head.weight"),
            Probes(TOKENS.float(), lambda module, h: module.read(h).T, embed=embed),
        ),
        "different dtypes meet in the network: .*token ids as torch.int64",
    ),
    "tokens beyond the embedding": (
        lambda: centroid_function(
            Embedded(),
            layout_of(Embedded(), "head.weight"),
            Probes(TOKENS + 7, lambda module, h: module.read(h).T, embed=embed),
        ),
        "a token id is not one of the embedding's",
    ),
    "a checkpoint's place": (
        lambda: CentroidFunction(given(mlp()), Probes(H, scores)),
        "checkpoint: expected a Checkpoint, got",
    ),
    "a tensor of probes": (
        lambda: CentroidFunction(Checkpoint(mlp(), layout_of(mlp())), given(H)),
        "probes: expected Probes",
    ),
}
SCORES: dict[str, tuple[Callable[[Any, Tensor], Any], str]] = {
    "a float": (lambda module, h: 3.0, r"scores: expected a tensor \[tasks, 12 probes\] of the function, got a float"),
    "a dict": (lambda module, h: {"logits": module(h)}, "got a dict; return a part of it, such as .logits"),
    "a list": (lambda module, h: [module(h)[:, 0]], "got a list; torch.stack makes one"),
    "an array": (lambda module, h: module(h).detach().numpy().T, "got a NumPy array"),
    "transposed": (lambda module, h: module(h), r"scores: expected \[tasks, 12 probes\], .*; return its transpose"),
    "of one task": (lambda module, h: module(h)[:, 0], r"got torch.float32 of shape \(12,\); of a single task return"),
    "decisions": (lambda module, h: module(h).argmax(1)[None], "got torch.int64: .* return a logit or a probability"),
    "complex": (lambda module, h: module(h).T * 1j, "real floating-point numbers, got torch.complex64"),
    "NaN": (lambda module, h: module(h).T.log(), "nan"),
    "without h": (lambda module, h: module(torch.ones(12, 4)[: len(h)]).T, "do not depend on the embedded input h"),
}


@pytest.mark.parametrize("name", PROBES)
def test_probes_that_are_none_say_what_is_wanted(name: str) -> None:
    refused(*PROBES[name])


@pytest.mark.parametrize("name", SCORES)
def test_scores_without_centroids_say_what_is_wanted(name: str) -> None:
    function, message = SCORES[name]
    refused(lambda: centroid_function(mlp(), probes=Probes(H, function)), message)


def long_names() -> nn.Module:
    return nn.ParameterDict({letter * 3000: nn.Parameter(torch.ones(2)) for letter in "pq"})


def normalised() -> nn.Module:
    module = mlp()
    parametrizations.weight_norm(module[0])
    return module


def pruned() -> nn.Module:
    module = mlp()
    torch.nn.utils.prune.l1_unstructured(module[0], "weight", amount=0.5)
    return module


DEEP = nn.Sequential(*[nn.TransformerEncoderLayer(8, 2, 16, batch_first=True) for _ in range(60)])
NAMES = [name for name, _ in DEEP.named_parameters()]
SELECTIONS: dict[str, tuple[Callable[[], object], str]] = {
    "a list in a list": (
        lambda: ParamLayout.select(mlp(), given([["0.weight"]])),
        "got a list; lists of lists are none",
    ),
    "a number": (lambda: ParamLayout.select(mlp(), given(3)), r"patterns: expected glob patterns .* got an int \(3\)"),
    "a module": (
        lambda: ParamLayout.select(mlp(), given(mlp()[0])),
        "patterns: expected glob patterns .* got a Linear",
    ),
    "parameters": (lambda: ParamLayout.select(mlp(), given(mlp().parameters())), "got a Parameter of shape"),
    "a state dict's": (
        lambda: ParamLayout.select(given(mlp().state_dict()), "*"),
        "module: expected a torch.nn.Module",
    ),
    "many names": (lambda: ParamLayout.select(DEEP, "layer.3.weigth"), r"matches no parameter; .* and 714 others"),
    "all excluded": (lambda: ParamLayout.select(DEEP, "*", exclude=NAMES), r"exclude=\['0.self.*leaves no parameter"),
    "all frozen": (
        lambda: ParamLayout.select(deepcopy(DEEP).requires_grad_(False), "*", trainable_only=True),
        r"every chosen parameter is frozen \(requires_grad is False\): 0.self_attn",
    ),
    "a long pattern": (lambda: ParamLayout.select(mlp(), "a" * 5000), "pattern 'aaa.*… matches no parameter"),
    "long names": (lambda: ParamLayout.select(long_names(), "x"), "matches no parameter; there are: …p"),
    "a tied name": (
        lambda: ParamLayout.select(Embedded(tied=True), "head.weight"),
        "'head.weight' is tied to 'embed.weight'",
    ),
    "normalised": (
        lambda: ParamLayout.select(normalised(), "0.weight"),
        "the module computes '0.weight' from '0.parametrizations.weight.original0'",
    ),
    "pruned": (lambda: ParamLayout.select(pruned(), "0.weight"), "computes '0.weight' from '0.weight_orig'"),
    "no parameters": (lambda: ParamLayout.select(nn.Tanh(), "*"), "as the module has no parameters: quantised"),
    "layers as text": (
        lambda: ParamLayout.attention(DEEP, layers=given("3")),
        "layers: expected a whole number .* got a str",
    ),
    "heads as text": (
        lambda: ParamLayout.attention(DEEP, heads=given("all")),
        "heads: expected a whole number or several",
    ),
    "a name twice": (lambda: ParamLayout(("a", "a"), ((2,), (3,))), "names: expected each once, got 'a' again"),
    "too few shapes": (lambda: ParamLayout(("a", "b"), ((2,),)), "shapes: expected one for each of 2 names, got 1"),
    "no names": (lambda: ParamLayout((), ()), "shapes: expected one for each of 0 names"),
    "no tuple of names": (lambda: ParamLayout(given("weight"), given((2,))), "names: expected a tuple, got a str"),
    "a size below zero": (lambda: ParamLayout(("a",), ((-2,),)), r"a tuple of sizes for 'a', got \(-2,\)"),
    "no JSON": (lambda: ParamLayout.from_json("nonsense"), "a layout as to_json writes it, got 'nonsense'"),
    "arrays": (
        lambda: layout_of(mlp()).flatten(given({"0.weight": np.ones((5, 4))})),
        "'0.weight': expected a tensor, got a N",
    ),
    "a module to flatten": (
        lambda: layout_of(mlp()).flatten(given(mlp())),
        r"give dict\(module.named_parameters\(\)\)",
    ),
    "sparse": (lambda: layout_of(mlp()).flatten({"0.weight": torch.ones(5, 4).to_sparse()}), "expected a dense tensor"),
    "integers": (lambda: layout_of(mlp()).unflatten(torch.arange(20)), "a vector of real numbers .* got torch.int64"),
}


@pytest.mark.parametrize("name", SELECTIONS)
def test_a_selection_that_means_nothing_names_what_there_is(name: str) -> None:
    refused(*SELECTIONS[name])
