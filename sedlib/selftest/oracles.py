"""Slow, obvious restatements of what the library computes fast."""

from collections.abc import Callable, Sequence

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
    """Gradient of scores [tasks, probes], one task and one probe at a time; it can be differentiated once more."""
    n_tasks = len(scores(inputs))
    gradients = []
    for task in range(n_tasks):
        for probe in range(len(inputs)):
            one = inputs[probe : probe + 1].clone().requires_grad_()
            (gradient,) = torch.autograd.grad(scores(one)[task, 0], one, create_graph=True)
            gradients.append(gradient.flatten())
    return torch.stack(gradients).view(n_tasks, len(inputs), -1)


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


def right_singular_vectors(rows: Tensor) -> np.ndarray:
    """Of a dense SVD."""
    return np.linalg.svd(rows.double().numpy(), full_matrices=False)[2]


def summed_products(first: Tensor | np.ndarray, second: Tensor | np.ndarray) -> np.ndarray:
    """Products of the rows of one matrix with those of another, each summed on its own: no library of BLAS is asked."""
    first, second = (np.asarray(rows, dtype=np.float64) for rows in (first, second))
    return np.array([[(row * other).sum() for other in second] for row in first])


def least_squares_part(rows: Tensor, vector: Tensor) -> np.ndarray:
    """The vector's part in the span of the rows."""
    columns = rows.double().numpy().T
    return columns @ np.linalg.lstsq(columns, vector.double().numpy(), rcond=None)[0]


def looped_example_gradients(loss_at: Callable[..., Tensor], theta: Tensor, examples: Sequence[Tensor]) -> Tensor:
    """Gradient of each example's own loss."""
    rows = []
    for example in zip(*examples, strict=True):
        at = theta.clone().requires_grad_()
        rows.append(torch.autograd.grad(loss_at(at, *example), at)[0])
    return torch.stack(rows)


def signed(rows: Tensor | np.ndarray) -> np.ndarray:
    """Rows whose sign is arbitrary, each with its largest entry positive."""
    rows = rows.detach().cpu().double().numpy() if isinstance(rows, Tensor) else rows
    largest = np.take_along_axis(rows, np.abs(rows).argmax(-1, keepdims=True), axis=-1)
    return rows * np.sign(largest)
