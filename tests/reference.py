"""Slow, obvious restatements of what the library computes fast."""

import hashlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn


def dense_svd_basis(rows: np.ndarray, end: int, window: int, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """Top right singular vectors and all singular values of rows end − window + 1 … end."""
    _, singular_values, right = np.linalg.svd(rows[end - window + 1 : end + 1].astype(np.float64), full_matrices=False)
    return right[:rank], singular_values


def trajectory_pca(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Right singular vectors and singular values of the displacements from the first row, columns centred."""
    displacements = positions.astype(np.float64) - positions[0].astype(np.float64)
    _, singular_values, right = np.linalg.svd(displacements - displacements.mean(0), full_matrices=False)
    return right, singular_values


def looped_gradient(loss: Callable[[], Tensor], module: nn.Module, names: list[str]) -> Tensor:
    """Gradient of one freshly computed loss, one parameter at a time."""
    parameters = dict(module.named_parameters())
    pieces = []
    for name in names:
        (gradient,) = torch.autograd.grad(loss(), parameters[name], allow_unused=True)
        pieces.append((torch.zeros_like(parameters[name]) if gradient is None else gradient).flatten())
    return torch.cat(pieces)


def looped_centroids(scores: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
    """Gradient of scores [tasks, probes], one task and one probe at a time."""
    n_tasks = len(scores(inputs))
    result = torch.empty(n_tasks, len(inputs), inputs[0].numel(), dtype=inputs.dtype)
    for task in range(n_tasks):
        for probe in range(len(inputs)):
            one = inputs[probe : probe + 1].clone().requires_grad_()
            (gradient,) = torch.autograd.grad(scores(one)[task, 0], one)
            result[task, probe] = gradient.flatten()
    return result


def encoder(d_model: int, heads: int, d_ff: int, layers: int) -> nn.TransformerEncoder:
    """PyTorch's own encoder with the paper's settings."""
    layer = nn.TransformerEncoderLayer(
        d_model, heads, d_ff, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    )
    return nn.TransformerEncoder(layer, layers, norm=nn.LayerNorm(d_model), enable_nested_tensor=False)


def stepwise_commutator(
    gradient_at: Callable[..., Tensor], theta: Tensor, first: Sequence[Tensor], second: Sequence[Tensor], eta: float
) -> Tensor:
    """θ_AB − θ_BA from the steps themselves."""

    def after(*batches: Sequence[Tensor]) -> Tensor:
        at = theta
        for batch in batches:
            at = at - eta * gradient_at(at, *batch)
        return at

    return after(first, second) - after(second, first)


def principal_cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Cosines of the principal angles between the spans of two sets of rows."""
    first, second = (np.linalg.qr(rows.T)[0] for rows in (first, second))
    return np.linalg.svd(first.T @ second, compute_uv=False)


def projected(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The part of a state dict under ``prefix``, without it."""
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def digest(module: nn.Module) -> str:
    """Hash of all that a measurement must leave: values, identities, gradients and modes of every tensor and module."""
    parts = [repr([(name, part.training) for name, part in module.named_modules(remove_duplicate=False)])]
    every = {"remove_duplicate": False}
    for name, tensor in (*module.named_parameters(**every), *module.named_buffers(**every)):
        facts = (name, id(tensor), type(tensor).__name__, tensor.requires_grad, tensor.dtype, tensor.grad is None)
        parts += [repr(facts), hashlib.sha256(tensor.detach().double().numpy().tobytes()).hexdigest()]
    return hashlib.sha256("".join(parts).encode()).hexdigest()
