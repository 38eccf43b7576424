"""Networks as they are found: in train mode, with a checkpoint other than their own values, with h that moves."""

import math
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor, nn

import sedlib.base.randomness as randomness
import sedlib.models.centroid_function as centroid_function
import sedlib.models.checkpoint as checkpoint
import sedlib.models.neighbours as neighbours
import sedlib.models.probes as probes
import sedlib.saved.saved_checkpoints as saved_checkpoints
from sedlib.selftest.check import Pair, check
from sedlib.selftest.oracles import looped_centroids
from sedlib.selftest.setting import Setting
from sedlib.selftest.tolerance import EXACT, NETWORK, ROUNDED
from sedlib.vectors import ParamLayout

TOKENS = 9


class _Network(nn.Module):
    """An embedding and two layers with dropout between."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(TOKENS, 12)
        self.first, self.second = nn.Linear(12, 48), nn.Linear(48, 3)
        self.dropout = nn.Dropout(0.5)

    def forward(self, h: Tensor) -> Tensor:
        return self.second(self.dropout(torch.tanh(self.first(h))))


def _state(setting: Setting) -> dict[str, Tensor]:
    """The checkpoint, which is not what the network holds."""
    named = _Network().named_parameters()
    drawn = {name: setting.normal(*value.shape, seed=seed) for seed, (name, value) in enumerate(named)}
    return {name: setting.rounded(value / math.sqrt(12)) for name, value in drawn.items()}


def _checkpoint(setting: Setting, *slots: str) -> checkpoint.Checkpoint:
    """Of a network in train mode."""
    network = _Network().to(setting.device, setting.dtype)
    layout = ParamLayout.select(network, *slots)
    state = {name: setting.on(value) for name, value in _state(setting).items()}
    return checkpoint.Checkpoint(network, layout, state)


@check("saved_checkpoints.Checkpoints", EXACT)
def saved(setting: Setting) -> Pair:
    """What was saved at the later of two steps, under the prefix that data parallelism gives to names."""
    state = _state(setting)

    def found() -> list[object]:
        with TemporaryDirectory() as folder:
            for step in (100, 20):
                values = {f"module.{name}": setting.on(value) * (step == 100) for name, value in state.items()}
                torch.save(values, Path(folder) / f"step-{step}.pt")
            run = saved_checkpoints.Checkpoints(folder)
            return [run.steps, run[1].state(_Network())]

    return found, lambda: [[20, 100], state]


@check("checkpoint.Checkpoint", NETWORK)
def moved_slots(setting: Setting) -> Pair:
    """Outputs with twice the first layer's weights, by the network's equations; its mode is as it was."""
    h, values = setting.normal(20, 12, seed=9), {name: value.numpy() for name, value in _state(setting).items()}

    def found() -> list[object]:
        of = _checkpoint(setting, "first.weight")
        outputs = of.at(lambda module, h: module(h), 2 * of.theta)(setting.on(h))
        return [of.theta, outputs, float(of.module.training)]

    def expected() -> list[object]:
        hidden = np.tanh(h.numpy() @ (2 * values["first.weight"]).T + values["first.bias"])
        outputs = hidden @ values["second.weight"].T + values["second.bias"]
        return [values["first.weight"].flatten(), outputs, 1.0]

    return found, expected


def _scores(module: nn.Module, h: Tensor) -> Tensor:
    outputs = module(h)
    return torch.stack([outputs[:, 1], outputs.square().sum(1)])


def _embed(module: nn.Module, tokens: Tensor) -> Tensor:
    return module.embedding(tokens)  # type: ignore[operator]


def _loaded(setting: Setting, network: nn.Module) -> nn.Module:
    """The network with the checkpoint's values, in eval."""
    network.to(setting.device, setting.dtype).eval()
    network.load_state_dict({name: setting.on(value) for name, value in _state(setting).items()})
    return network


@check("probes.Probes", EXACT)
def embedded(setting: Setting) -> Pair:
    """A row of the table for each token."""
    tokens, network = setting.whole(TOKENS, 10), _loaded(setting, _Network())
    of = probes.Probes(tokens.to(setting.device), _scores, embed=_embed)
    return lambda: of.embedded(network), lambda: _state(setting)["embedding.weight"].numpy()[tokens.numpy()]


class _OnTokens(_Network):
    """The same network, called with tokens."""

    def forward(self, tokens: Tensor) -> Tensor:
        return super().forward(self.embedding(tokens))


@check("probes.Probes.scored", NETWORK)
def scored_by_name(setting: Setting) -> Pair:
    """Outputs of the first layer for another embedded input, by the network's equations."""
    tokens, h, state = setting.whole(TOKENS, 10), setting.normal(10, 12), _state(setting)
    network = _loaded(setting, _OnTokens())
    of = probes.Probes(tokens.to(setting.device), lambda z: z.T, embed="embedding", read="first")

    def expected() -> np.ndarray:
        weight, bias = (state[f"first.{name}"].numpy() for name in ("weight", "bias"))
        return weight @ h.numpy().T + bias[:, None]

    return lambda: of.scored(network, setting.on(h)), expected


@check("neighbours.Neighbours.offsets", ROUNDED)
def neighbours_of_probes(setting: Setting) -> Pair:
    """Normal numbers of each probe's own generator, times the radius and the length of h."""
    h = setting.normal(5, 3, 4)

    def found() -> Tensor:
        return torch.stack(list(neighbours.Neighbours(count=6, radius=0.1, seed=2).offsets(setting.on(h))))

    def expected() -> np.ndarray:
        drawn = [randomness.generator(2, f"neighbours of probe {probe}") for probe in range(5)]
        normal = [[torch.randn(3, 4, generator=each).double().numpy() for _ in range(6)] for each in drawn]
        lengths = np.sqrt(np.square(h.numpy()).sum((1, 2)))
        return np.swapaxes(normal, 0, 1) * (0.1 * lengths / np.sqrt(12))[:, None, None]

    return found, expected


@check("centroid_function.CentroidFunction", NETWORK)
def centroids_with_moving_inputs(setting: Setting) -> Pair:
    """A backward pass for each task and probe, where the embedding is among the slots that move; in chunks of four."""
    tokens, state = setting.whole(TOKENS, 10), _state(setting)
    slots = ("embedding.weight", "first.weight")

    def found() -> Tensor:
        of = _checkpoint(setting, *slots)
        some = probes.Probes(tokens.to(setting.device), _scores, embed=_embed)
        return centroid_function.CentroidFunction(of, some, chunk=4)(2 * of.theta)

    def expected() -> Tensor:
        twin = _Network().double().eval()
        twin.load_state_dict({name: value * (2 if name in slots else 1) for name, value in state.items()})
        return looped_centroids(lambda h: _scores(twin, h), _embed(twin, tokens).detach())

    return found, expected
