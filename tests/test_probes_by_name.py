"""Embedded inputs and inner modules by the names of submodules: known answers, and loops in float64."""

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sedlib.base.randomness import generator
from sedlib.coupling import central_difference, jvp
from sedlib.models.centroid_function import CentroidFunction
from sedlib.models.checkpoint import Checkpoint
from sedlib.models.probes import Probes
from sedlib.scores import inner_scores
from sedlib.selftest.oracles import looped_centroids
from sedlib.vectors import ParamLayout
from tests.reference import digest
from tests.test_models import TARGETS, TOKENS, Decoder, embed, scores, slow_response, unit

FLOATS = torch.randn(9, 4, generator=generator(0, "floats"), dtype=torch.float64)


def last_logits(logits: Tensor, targets: Tensor) -> Tensor:
    return logits.gather(1, targets.T).T


def centroids_of(module: nn.Module, probes: Probes, *slots: str) -> Tensor:
    checkpoint = Checkpoint(module, ParamLayout.select(module, *slots or ("*.weight",)))
    return CentroidFunction(checkpoint, probes)(checkpoint.theta)


BY_NAME = Probes(TOKENS, last_logits, TARGETS, embed="embed")


@pytest.mark.parametrize("measure", [jvp, lambda at, theta: central_difference(at, theta, 1e-5)])
@pytest.mark.parametrize("tied", [True, False])
def test_by_name_and_by_functions_are_one_response(tied: bool, measure: Callable[..., Any]) -> None:
    module = Decoder(tied=tied).double().train()
    layout = ParamLayout.select(module, "embed.weight", "layer.self_attn.in_proj_weight")
    before, direction = digest(module), unit(layout.size, torch.float64)
    centroids_at = CentroidFunction(Checkpoint(module, layout), BY_NAME, chunk=5)
    found = float(measure(centroids_at, centroids_at.theta)(direction))
    assert found == pytest.approx(slow_response(module, layout, direction, moving=True), rel=1e-6)
    assert digest(module) == before
    by_functions = CentroidFunction(Checkpoint(module, layout), Probes(TOKENS, scores, TARGETS, embed), chunk=5)
    torch.testing.assert_close(by_functions(by_functions.theta), centroids_at(centroids_at.theta))


def linear() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 5), nn.Linear(5, 3)).double()


@pytest.mark.parametrize(
    ("embed", "read", "product"),
    [
        (None, "0", lambda a, b, c: a),
        (None, "1", lambda a, b, c: b @ a),
        ("0", "1", lambda a, b, c: b),
        ("0", None, lambda a, b, c: c @ b),
    ],
)
def test_inner_centroids_of_a_linear_network_are_rows_of_a_product_of_weights(
    embed: str | None, read: str | None, product: Callable[..., Tensor]
) -> None:
    module = linear()
    expected = product(*(layer.get_parameter("weight").detach() for layer in module))
    used = {"0": ["0.weight"], "1": ["0.weight", "1.weight"]}.get(read or "", ["*.weight"])
    units = Probes(FLOATS, lambda z: inner_scores(z, torch.eye(len(expected))), embed=embed, read=read)
    every = Probes(FLOATS, inner_scores, embed=embed, read=read)
    torch.testing.assert_close(centroids_of(module, units, *used), expected[:, None].expand(-1, len(FLOATS), -1))
    torch.testing.assert_close(centroids_of(module, every, *used)[0], expected.sum(0).expand(len(FLOATS), -1))


class InPlace(nn.Module):
    """Computes in place after each of its submodules, of which some give tuples."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.position = nn.Embedding(7, 4), nn.Parameter(torch.randn(3, 4))
        self.inner, self.mix = nn.Linear(4, 5), nn.MultiheadAttention(5, 1, batch_first=True)
        self.recurrent, self.read = nn.LSTM(5, 5, batch_first=True), nn.Linear(5, 2)

    def forward(self, tokens: Tensor, scale: float = 1.0) -> dict[str, Tensor]:
        h = self.embed(tokens)
        h += self.position
        z = self.inner(h)
        z.relu_()
        z = self.mix(z, z, z, need_weights=False)[0]
        return {"logits": self.read(self.recurrent(z)[0][:, -1]) * scale}


INPUTS: dict[str, Any] = {"tokens": TOKENS, "scale": 3.0}


def test_what_the_network_computes_in_place_changes_nothing() -> None:
    module = InPlace().double()
    probes = Probes(INPUTS, inner_scores, embed="embed", read="inner")
    h = probes.embedded(module)
    before = h.clone()
    torch.testing.assert_close(h, module.embed.weight[TOKENS])
    torch.testing.assert_close(probes.scored(module, h), inner_scores(module.inner(h + module.position)))
    assert torch.equal(h, before)
    found = centroids_of(module, probes, "embed.weight", "inner.weight")
    torch.testing.assert_close(found[0], module.inner.weight.detach().sum(0).repeat(len(TOKENS), 3))


@pytest.mark.parametrize("name", ["embed", "inner", "mix"])  # mix gives a tuple of a tensor and None
def test_an_output_that_is_replaced_by_itself_leaves_the_modules(name: str) -> None:
    module = InPlace().double()
    probes = Probes(INPUTS, lambda output: output["logits"].T, embed=name)
    h = probes.embedded(module)
    torch.testing.assert_close(probes.scored(module, h), module(**INPUTS)["logits"].T, rtol=0, atol=0)
    assert not torch.equal(probes.scored(module, 2 * h), probes.scored(module, h))
    found = centroids_of(module, probes, "recurrent.weight_ih_l0")
    rows = [looped_centroids(partial(one.scored, module), one.embedded(module)) for one in probes.split(1)]
    torch.testing.assert_close(found, torch.cat(rows, dim=1))


def gpt() -> Any:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.GPT2Config(vocab_size=7, n_positions=3, n_embd=8, n_layer=2, n_head=2)
    return transformers.GPT2LMHeadModel(config).double()


MASK = torch.ones_like(TOKENS).index_fill(0, torch.tensor([1, 4]), 0).index_fill(1, torch.tensor([1, 2]), 1)


def test_gpt2_is_measured_with_its_mask_and_its_tied_embedding() -> None:
    """The oracle asks the network for the logits of embedded tokens, one probe at a time."""
    module = gpt()
    layout = ParamLayout.select(module, "transformer.wte.weight", "transformer.h.0.attn.c_attn.weight")
    direction = unit(layout.size, torch.float64)
    inputs = {"input_ids": TOKENS, "attention_mask": MASK, "use_cache": False}
    probes = Probes(inputs, lambda output, targets: last_logits(output.logits[:, -1], targets), TARGETS, embed="wte")
    centroids_at = CentroidFunction(Checkpoint(module, layout), probes, chunk=5)
    found = float(jvp(centroids_at, centroids_at.theta)(direction))

    def slow(scale: float) -> Tensor:
        there, rows = deepcopy(module).eval(), []
        with torch.no_grad():
            for name, piece in layout.unflatten(scale * direction).items():
                there.get_parameter(name).add_(piece)
        for token, mask, target in zip(TOKENS, MASK, TARGETS[0], strict=True):
            h = there.transformer.wte(token[None]).detach().requires_grad_()
            logits = there(inputs_embeds=h, attention_mask=mask[None]).logits
            rows.append(torch.autograd.grad(logits[0, -1, target], h)[0].flatten())
        return torch.stack(rows)

    torch.testing.assert_close(centroids_at(centroids_at.theta)[0], slow(0.0))
    change = (slow(1e-5) - slow(-1e-5)) / 2e-5
    assert found == pytest.approx(float(change.square().sum(1).mean()), rel=1e-6)


def test_a_submodule_is_found_below_wrappers_and_compiled_code_is_not_run() -> None:
    module = Decoder().double()
    expected = centroids_of(module, BY_NAME, "layer.self_attn.*")
    compiled: Any = torch.compile(module, backend="eager")
    compiled(TOKENS)  # made without a hook
    for wrapped in (nn.DataParallel(module), compiled):
        found = centroids_of(wrapped, BY_NAME, "*layer.self_attn.*")
        torch.testing.assert_close(found, expected)


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.side, self.last = nn.Linear(4, 4), nn.Linear(4, 3), nn.Linear(4, 3)
        self.blocks = nn.ModuleList([nn.Sequential(nn.Linear(4, 4)), nn.Sequential(nn.Linear(4, 4))])

    def forward(self, h: Tensor) -> tuple[Tensor, Tensor]:
        side = self.side(h)
        for block in self.blocks:
            h = block(torch.tanh(self.first(h)))
        return self.last(h), side


def attention(embed: str) -> tuple[nn.Module, Probes]:
    inputs = dict.fromkeys(("query", "key", "value"), torch.randn(5, 2, 4))
    module = nn.MultiheadAttention(4, 1, batch_first=True)
    return module, Probes(inputs, lambda output: output[0].sum((1, 2))[None], embed=embed)


def logits(output: tuple[Tensor, Tensor]) -> Tensor:
    return output[0].T


H = FLOATS.float()
REFUSED: list[tuple[Callable[[], tuple[nn.Module, Probes]], str]] = [
    (lambda: (Twice(), Probes(H, logits, embed="frist")), "embed: .* submodule of Twice, got 'frist'; it has first"),
    (lambda: (Twice(), Probes(H, logits, embed="")), "embed: expected the name of a submodule of Twice, got ''"),
    (lambda: (Twice(), Probes(H, logits, embed="0")), "several submodules end in it: 'blocks.0', 'blocks.0.0'"),
    (lambda: (Twice(), Probes(H, logits, embed="first")), "embed: .* runs once .*, but 'first' runs 2 times; name"),
    (lambda: (Twice(), Probes(H, inner_scores, read="first")), "read: .* runs once .*, but 'first' runs 2 times; name"),
    (lambda: attention("out_proj"), "'out_proj' never runs .weights may be read without a call"),
    (lambda: (Twice(), Probes(H, inner_scores, embed="last", read="side")), "do not depend on the embedded input h"),
    (lambda: (InPlace(), Probes(INPUTS, lambda output: output["logits"].T, embed="recurrent")), "gives 3 in tuple"),
    (lambda: (nn.Sequential(InPlace()), Probes(TOKENS, inner_scores, read="0.embed")), "expected embedded"),
]


@pytest.mark.parametrize(("given", "message"), REFUSED)
@pytest.mark.usefixtures("production")
def test_what_a_name_cannot_mean_is_refused(given: Callable[[], tuple[nn.Module, Probes]], message: str) -> None:
    module, probes = given()
    before = digest(module)
    layout = ParamLayout.select(module, "*weight*")
    with pytest.raises(ValueError, match=message) as caught:
        CentroidFunction(Checkpoint(module, layout), probes)
    assert len(str(caught.value)) < 400
    assert digest(module) == before
    assert not any(some._forward_hooks for some in module.modules())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scores": scores, "embed": "embed"}, r"scores: expected a function of \(output\): missing a required"),
        ({"scores": last_logits, "embed": "embed"}, r"function of \(output\): missing a required argument: 'targets'"),
        ({"scores": inner_scores, "targets": TARGETS, "embed": embed}, r"function of \(module, h, targets\): too many"),
        ({"scores": inner_scores, "read": "embed", "embed": embed}, "read: expected embed as the name of a submodule"),
        ({"inputs": {"tokens": TOKENS, "mask": MASK[:3]}, "scores": inner_scores}, "12 in 'tokens' and 3 in 'mask'"),
        ({"inputs": {"scale": 3.0}, "scores": inner_scores}, "expected at least one probe, got none"),
        ({"inputs": torch.tensor(1.0), "scores": inner_scores}, "expected at least one probe, got none"),
    ],
)
@pytest.mark.usefixtures("production")
def test_probes_of_the_wrong_arguments_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Probes(**{"inputs": TOKENS, **arguments})


def test_a_function_that_does_not_tell_its_arguments_is_taken() -> None:
    assert len(Probes(FLOATS, max, read="0")) == len(FLOATS)
