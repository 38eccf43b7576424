"""The paper's network and its training, restated slowly in float64: PyTorch's own encoder, AdamW by its equations.

Shapes: pairs are ``[pairs, 2]``, answers ``[tasks, pairs]``, logits ``[tasks, pairs, p]``.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from scipy.special import erf
from torch import Tensor, nn
from torch.nn import functional as F

from sedlib.grokking.network.model import GrokkingTransformer
from sedlib.grokking.setup.experiment import Experiment, OptimizerParams
from sedlib.selftest.oracles import encoder

ADAM_EPSILON, CLIP_EPSILON, NORM_EPSILON = 1e-8, 1e-6, 1e-5
"""PyTorch's own, as nothing else is set: of AdamW, of clipping and of layer norms."""


class PlainNetwork(nn.Module):
    """``torch.nn.TransformerEncoder`` between an embedding and linear heads; names as in GrokkingTransformer."""

    def __init__(self, network: GrokkingTransformer, experiment: Experiment) -> None:
        super().__init__()
        size = experiment.model
        self.token = nn.Parameter(torch.empty_like(network.token, dtype=torch.float64, device="cpu"))
        self.position = nn.Parameter(torch.empty_like(network.position, dtype=torch.float64, device="cpu"))
        self.encoder = encoder(size.d_model, size.heads, size.d_ff, size.layers).double()
        self.heads = nn.ModuleList(nn.Linear(size.d_model, experiment.data.p).double() for _ in network.heads)
        self.load_state_dict(network.state_dict())

    def forward(self, pairs: Tensor) -> Tensor:
        """Logits of every head."""
        read = self.encoder(self.token[pairs] + self.position)[:, 0]
        return torch.stack([head(read) for head in self.heads])

    def losses(self, pairs: Tensor, answers: Tensor) -> Tensor:
        """Mean cross-entropy of every head."""
        return torch.stack([F.cross_entropy(logits, of) for logits, of in zip(self(pairs), answers, strict=True)])


def plain_steps(
    network: PlainNetwork, batches: Iterable[tuple[Tensor, Tensor]], settings: OptimizerParams
) -> dict[str, list[Tensor]]:
    r"""Steps of AdamW on the sum of the losses, in place, with the whole gradient clipped; its moments afterwards.

    :math:`\theta \leftarrow (1 - \eta\lambda)\theta - \eta\, \hat m / (\sqrt{\hat v} + \epsilon)`.
    """
    parameters = list(network.parameters())
    beta1, beta2 = settings.betas
    first, second = ([torch.zeros_like(parameter) for parameter in parameters] for _ in range(2))
    for count, batch in enumerate(batches, start=1):
        gradients = torch.autograd.grad(network.losses(*batch).sum(), parameters)
        norm = float(torch.cat([gradient.flatten() for gradient in gradients]).norm())
        scale = min(1.0, settings.clip_norm / (norm + CLIP_EPSILON))
        for parameter, gradient, m, v in zip(parameters, gradients, first, second, strict=True):
            m.copy_(beta1 * m + (1 - beta1) * scale * gradient)
            v.copy_(beta2 * v + (1 - beta2) * (scale * gradient).square())
            step = (m / (1 - beta1**count)) / ((v / (1 - beta2**count)).sqrt() + ADAM_EPSILON)
            parameter.data = (1 - settings.lr * settings.weight_decay) * parameter.data - settings.lr * step
    return {"exp_avg": first, "exp_avg_sq": second}


def logits_without_torch(state: Mapping[str, np.ndarray], heads: int, pairs: np.ndarray) -> np.ndarray:
    """Logits of every head by the network's equations, in NumPy; ``state`` holds its parameters."""
    x = state["token"][pairs] + state["position"]
    n_layers = 1 + max(int(name.split(".")[2]) for name in state if name.startswith("encoder.layers."))
    for number in range(n_layers):
        layer = {name.removeprefix(f"encoder.layers.{number}."): value for name, value in state.items()}
        x = x + _attended(layer, _normed(layer, "norm1", x), heads)
        hidden = _linear(layer, "linear1", _normed(layer, "norm2", x))
        x = x + _linear(layer, "linear2", hidden * (1 + erf(hidden / np.sqrt(2))) / 2)
    read = _normed(state, "encoder.norm", x)[:, 0]
    n_heads = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("heads."))
    return np.stack([_linear(state, f"heads.{number}", read) for number in range(n_heads)])


def _attended(layer: Mapping[str, np.ndarray], x: np.ndarray, heads: int) -> np.ndarray:
    projected = x @ layer["self_attn.in_proj_weight"].T + layer["self_attn.in_proj_bias"]
    query, key, value = (part.reshape(*x.shape[:2], heads, -1) for part in np.split(projected, 3, axis=-1))
    scores = np.einsum("bihd,bjhd->bhij", query, key) / np.sqrt(query.shape[-1])
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights = weights / weights.sum(-1, keepdims=True)
    mixed = np.einsum("bhij,bjhd->bihd", weights, value).reshape(x.shape)
    return _linear(layer, "self_attn.out_proj", mixed)


def _linear(state: Mapping[str, np.ndarray], name: str, x: np.ndarray) -> np.ndarray:
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def _normed(state: Mapping[str, np.ndarray], name: str, x: np.ndarray) -> np.ndarray:
    scale = np.sqrt(x.var(-1, keepdims=True) + NORM_EPSILON)
    return (x - x.mean(-1, keepdims=True)) / scale * state[f"{name}.weight"] + state[f"{name}.bias"]
