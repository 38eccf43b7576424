"""Local centroids: the mean over neighbours of an input, by known answers and by a loop over neighbours and probes."""

import math
from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from sedlib.base.randomness import generator
from sedlib.coupling import central_difference, jvp
from sedlib.models.centroid_function import CentroidFunction
from sedlib.models.checkpoint import Checkpoint
from sedlib.models.neighbours import Around, Neighbours
from sedlib.models.probes import Probes
from sedlib.scores import inner_scores
from sedlib.selftest.oracles import looped_centroids
from sedlib.vectors import ParamLayout
from tests.test_models import TARGETS, TOKENS, Decoder, unit
from tests.test_probes_by_name import last_logits

H = torch.randn(9, 4, generator=generator(0, "floats"), dtype=torch.float64)


def centroids_of(module: nn.Module, around: Around | None, h: Tensor = H, chunk: int | None = None) -> Tensor:
    probes = Probes(h, lambda module, h: module(h).T, around=around)
    centroids_at = CentroidFunction(Checkpoint(module, ParamLayout.select(module, "*weight")), probes, chunk)
    return centroids_at(centroids_at.theta)


def network(activation: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), activation, nn.Linear(6, 2)).double()


def test_local_centroids_of_a_linear_network_are_its_plain_ones() -> None:
    module = network(nn.Identity())
    torch.testing.assert_close(centroids_of(module, Neighbours(5, radius=2.0)), centroids_of(module, None))


@pytest.mark.parametrize("radius", [0.5, 1.0, 4.0])
def test_across_a_kink_they_mix_the_pieces_by_the_share_of_neighbours_on_each(radius: float) -> None:
    """Of ReLU of one number h > 0, the share of neighbours h + ρ h g above 0 is Φ(1/ρ)."""
    module = nn.Sequential(nn.Linear(1, 1, bias=False), nn.ReLU()).double()
    nn.init.constant_(module[0].get_parameter("weight"), 3.0)
    h = torch.linspace(1, 9, 500, dtype=torch.float64)[:, None]
    found = centroids_of(module, Neighbours(40, radius), h)
    share = 0.5 * (1 + math.erf(1 / radius / math.sqrt(2)))
    assert float(found.mean()) == pytest.approx(3 * share, abs=0.05)
    assert 0 < float(found.var()) < 0.5


@pytest.mark.parametrize("activation", [nn.ReLU(), nn.GELU()])
@pytest.mark.parametrize("chunk", [None, 1, 4])
def test_they_are_means_over_the_neighbours_of_centroids_one_by_one(activation: nn.Module, chunk: int | None) -> None:
    module, around = network(activation), Neighbours(7, radius=0.8, seed=3)
    given = torch.stack(list(around.offsets(H)))
    expected = torch.stack([looped_centroids(lambda h: module(h).T, H + offset) for offset in given]).mean(0)
    torch.testing.assert_close(centroids_of(module, around, chunk=chunk), expected)
    torch.testing.assert_close(centroids_of(module, given, chunk=chunk), expected)
    assert (expected - centroids_of(module, None)).norm() > 0.02 * expected.norm()


def test_offsets_have_the_length_that_the_radius_says_and_belong_to_their_probe() -> None:
    h = torch.randn(5, 3, 40, generator=generator(1, "h"))
    h = h / h.flatten(1).norm(dim=1)[:, None, None] * torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])[:, None, None]
    around = Neighbours(400, radius=0.1)
    offsets = torch.stack(list(around.offsets(h)))
    lengths = offsets.flatten(2).norm(dim=2).square().mean(0).sqrt()
    torch.testing.assert_close(lengths, 0.1 * torch.arange(1.0, 6.0), rtol=0.02, atol=0)
    assert offsets.mean(0).abs().max() < 5 * float(lengths.max()) / math.sqrt(120 * 400)
    again, other = (torch.stack(list(Neighbours(400, 0.1, seed).offsets(h))) for seed in (0, 1))
    assert torch.equal(again, offsets)
    assert torch.corrcoef(torch.stack([offsets[:, 0].flatten(), offsets[:, 1].flatten()]))[0, 1].abs() < 0.03
    assert torch.corrcoef(torch.stack([offsets.flatten(), other.flatten()]))[0, 1].abs() < 0.01


def test_neighbours_of_an_embedded_input_move_with_it_and_the_difference_is_the_derivative() -> None:
    module = Decoder(tied=True, dropout=0.0).double()
    layout = ParamLayout.select(module, "embed.weight", "layer.self_attn.in_proj_weight")
    direction, around = unit(layout.size, torch.float64), Neighbours(3, radius=0.5)
    probes = Probes(TOKENS, last_logits, TARGETS, embed="embed", around=around)
    centroids_at = CentroidFunction(Checkpoint(module, layout), probes, chunk=5)
    offsets = list(around.offsets(module.embed.weight[TOKENS].detach()))

    def slow(scale: float) -> Tensor:
        there = deepcopy(module).eval()
        with torch.no_grad():
            for name, piece in layout.unflatten(scale * direction).items():
                there.get_parameter(name).add_(piece)
        rows = []
        for probe, (token, target) in enumerate(zip(TOKENS, TARGETS[0], strict=True)):
            near = [there.embed(token[None]).detach() + offset[probe] for offset in offsets]
            gradients = [torch.autograd.grad(there.read(h.requires_grad_())[0, target], h)[0].flatten() for h in near]
            rows.append(torch.stack(gradients).mean(0))
        return torch.stack(rows)

    torch.testing.assert_close(centroids_at(centroids_at.theta)[0], slow(0.0))
    expected = float(((slow(1e-5) - slow(-1e-5)) / 2e-5).square().sum(1).mean())
    theta = centroids_at.theta
    for response in (jvp(centroids_at, theta), central_difference(centroids_at, theta, 1e-5)):
        assert float(response(direction)) == pytest.approx(expected, rel=1e-6)


def test_local_centroids_of_an_inner_module() -> None:
    module, around = network(nn.ReLU()), Neighbours(4, radius=1.0)
    checkpoint = Checkpoint(module, ParamLayout.select(module, "0.weight"))
    probes = Probes(H, inner_scores, read="1", around=around)
    first = module.get_submodule("0")
    active = torch.stack([first(H + offset) > 0 for offset in around.offsets(H)]).double().mean(0)
    found = CentroidFunction(checkpoint, probes)(checkpoint.theta)[0]
    torch.testing.assert_close(found, active @ module.get_parameter("0.weight").detach())


@pytest.mark.usefixtures("production")
def test_what_are_no_neighbours_is_refused() -> None:
    for count, radius in ((0, 1.0), (1, 0.0), (1, -1.0), (1, math.inf), (1, math.nan)):
        with pytest.raises(ValueError, match="neighbours: expected a count of at least 1 and a positive radius, got"):
            Neighbours(count, radius)
    for shape in ((3, 8, 4), (0, 9, 4), (9, 4)):
        with pytest.raises(ValueError, match=r"around: expected offsets \[neighbours, 9 probes, ...\], got \["):
            centroids_of(network(nn.ReLU()), torch.zeros(shape))
    with pytest.raises(ValueError, match=r"around: expected offsets \[neighbours, \*\[9, 4\]\], as h has, got \[2, 9"):
        centroids_of(network(nn.ReLU()), torch.zeros(2, 9, 1))


def test_a_part_of_a_part_of_the_probes_keeps_their_neighbours() -> None:
    probes = Probes(H, lambda module, h: module(h).T, around=Neighbours(1))
    parts = [smaller for part in probes.split(4) for smaller in part.split(2)]
    whole = torch.cat([next(part.around.offsets(part.inputs)) for part in parts])  # type: ignore[arg-type, union-attr]
    assert torch.equal(whole, next(Neighbours(1).offsets(H)))
