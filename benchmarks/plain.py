"""The usual script, restated plainly: what the package's routines are timed against.

An eager ``torch.nn.TransformerEncoder`` over both tokens, unfused AdamW on a list of parameters, a Python list of
batches to evaluate, one forward pass per operation, a dense SVD per window, a loop over examples.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sedlib.grokking.network.evaluation import Data
from sedlib.grokking.setup.experiment import Experiment
from sedlib.vectors import ParamLayout

EVALUATION_BATCH = 512
CENTROID_BATCH = 256


class PlainNetwork(nn.Module):
    """The paper's network from PyTorch's own modules."""

    def __init__(self, experiment: Experiment) -> None:
        super().__init__()
        p, size = experiment.data.p, experiment.model
        layer = nn.TransformerEncoderLayer(
            size.d_model, size.heads, size.d_ff, 0.0, "gelu", batch_first=True, norm_first=True
        )
        self.token = nn.Embedding(p, size.d_model)
        self.position = nn.Parameter(torch.randn(2, size.d_model) / size.d_model**0.5)
        norm = nn.LayerNorm(size.d_model)
        self.encoder = nn.TransformerEncoder(layer, size.layers, norm, enable_nested_tensor=False)
        self.heads = nn.ModuleList(nn.Linear(size.d_model, p) for _ in experiment.run.ops)

    def embed(self, pairs: Tensor) -> Tensor:
        """Token plus position."""
        embedded: Tensor = self.token(pairs) + self.position
        return embedded

    def forward(self, h: Tensor) -> list[Tensor]:
        """Logits of every head."""
        read = self.encoder(h)[:, 0]
        return [head(read) for head in self.heads]


class PlainTraining:
    """Its training loop, a step at a time."""

    def __init__(self, experiment: Experiment, data: Data) -> None:
        self.network, self.data, self.settings = PlainNetwork(experiment), data, experiment.optimizer
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(),
            self.settings.lr,
            (self.settings.betas[0], self.settings.betas[1]),
            weight_decay=self.settings.weight_decay,
        )

    def step(self, batch: Tensor) -> None:
        """One optimizer step on the training pairs numbered ``batch``."""
        logits = self.network(self.network.embed(self.data.train_pairs[batch]))
        losses = [F.cross_entropy(found, self.data.train_answers[op, batch]) for op, found in enumerate(logits)]
        self.optimizer.zero_grad()
        torch.stack(losses).sum().backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip_norm)
        self.optimizer.step()

    @torch.no_grad()
    def evaluate(self) -> list[float]:
        """Accuracy and loss of both splits."""
        self.network.eval()
        found = []
        for pairs, answers in (
            (self.data.train_pairs, self.data.train_answers),
            (self.data.test_pairs, self.data.test_answers),
        ):
            correct, losses = [], []
            for some, targets in zip(
                pairs.split(EVALUATION_BATCH), answers.split(EVALUATION_BATCH, dim=1), strict=True
            ):
                for logits, target in zip(self.network(self.network.embed(some)), targets, strict=True):
                    correct.append((logits.argmax(-1) == target).float().sum().item())
                    losses.append(F.cross_entropy(logits, target, reduction="sum").item())
            found += [sum(correct) / len(pairs), sum(losses) / len(pairs)]
        self.network.train()
        return found


def gradients(network: PlainNetwork, pairs: Tensor, answers: Tensor) -> list[Tensor]:
    """Attention gradient of each operation, from a forward and a backward pass of its own."""
    layout, rows = ParamLayout.attention(network), []
    for op, target in enumerate(answers):
        network.zero_grad()
        F.cross_entropy(network(network.embed(pairs))[op], target).backward()
        rows.append(torch.cat([parameter.grad.flatten() for parameter in layout.of(network).values()]))  # type: ignore[union-attr]
    return rows


def response(network: PlainNetwork, direction: Tensor, step: float, pairs: Tensor, answers: Tensor) -> float:
    """Central difference of the first operation's centroids: parameters set twice, autograd in blocks of pairs."""
    layout = ParamLayout.attention(network)
    parameters = layout.of(network)
    theta = layout.flatten(parameters).detach()
    ahead, behind = (_centroids_at(network, layout, theta + sign * direction, pairs, answers) for sign in (step, -step))
    _set(parameters, layout, theta)
    return ((ahead - behind) / (2 * step)).square().sum(-1).mean().item()


def _centroids_at(network: PlainNetwork, layout: ParamLayout, theta: Tensor, pairs: Tensor, answers: Tensor) -> Tensor:
    _set(layout.of(network), layout, theta)
    found = []
    for some, target in zip(pairs.split(CENTROID_BATCH), answers[0].split(CENTROID_BATCH), strict=True):
        h = network.embed(some).detach().requires_grad_(True)
        score = network(h)[0].gather(1, target[:, None]).sum()
        found.append(torch.autograd.grad(score, h)[0].flatten(1))
    return torch.cat(found)


@torch.no_grad()
def _set(parameters: dict[str, nn.Parameter], layout: ParamLayout, theta: Tensor) -> None:
    for name, value in layout.unflatten(theta).items():
        parameters[name].copy_(value)


def basis(rows: np.ndarray, rank: int) -> Tensor:
    """Top right singular vectors of one window by a dense SVD."""
    return torch.linalg.svd(torch.from_numpy(rows), full_matrices=False)[2][:rank]


def pc1_percent(positions: np.ndarray) -> float:
    """PC1 % of a trajectory by a dense SVD."""
    displacements = torch.from_numpy(positions - positions[0])
    shares = torch.linalg.svdvals(displacements - displacements.mean(0)).square()
    return 100 * float(shares[0] / shares.sum())


def per_example_basis(network: PlainNetwork, pairs: Tensor, answers: Tensor, rank: int) -> Tensor:
    """Top right singular vectors of the centred gradients of single examples, from a loop and a dense SVD."""
    examples = zip(pairs, answers[0], strict=True)
    rows = torch.stack([gradients(network, pair[None], answer[None, None])[0] for pair, answer in examples])
    return torch.linalg.svd(rows - rows.mean(0), full_matrices=False)[2][:rank]
