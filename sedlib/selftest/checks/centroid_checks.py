"""Centroids: one backward pass for each task and probe; their readouts by their definitions."""

import numpy as np
import torch
from torch import Tensor

import sedlib.centroids as centroids
import sedlib.scores as scores
from sedlib.selftest.check import Pair, check
from sedlib.selftest.checks.gradient_checks import small_network
from sedlib.selftest.oracles import looped_centroids, principal_cosines, right_singular_vectors, signed, summed_products
from sedlib.selftest.setting import Setting
from sedlib.selftest.tolerance import EXACT, NETWORK, ROUNDED, SINGULAR


@check("centroids.centroids", NETWORK)
def gradients_of_scores(setting: Setting) -> Pair:
    """Two scores of a network."""
    network, twin = small_network(setting)
    inputs = setting.normal(10, 12)

    def of(module: torch.nn.Module) -> centroids.Scores:
        return lambda h: torch.stack([module(h)[:, 1], module(h).square().sum(1)])

    return (
        lambda: centroids.centroids(of(network), setting.on(inputs)).detach(),
        lambda: looped_centroids(of(twin), inputs),
    )


@check("centroids.read_out", SINGULAR)
def read_out(setting: Setting) -> Pair:
    """From the spectrum of a dense SVD, and one cosine for each probe."""
    rows, inputs = setting.stream(60, 30) + 0.05, setting.normal(60, 30)
    rows = setting.rounded(rows)

    def expected() -> tuple[int, float, float]:
        share = np.linalg.svd((rows - rows.mean(0)).numpy(), compute_uv=False) ** 2
        share /= share.sum()
        return int((np.cumsum(share) < 0.9).sum()) + 1, share[0], _mean_cosine(rows, inputs)

    return lambda: centroids.read_out(setting.on(rows), setting.on(inputs)), expected


@check("centroids.compare", SINGULAR)
def compare(setting: Setting) -> Pair:
    """From the principal directions of dense SVDs."""
    first, second = setting.stream(60, 30), setting.stream(60, 30, seed=1)

    def expected() -> tuple[float, float, float]:
        axes = [right_singular_vectors(rows - rows.mean(0))[:3] for rows in (first, second)]
        return _mean_cosine(first, second), abs(axes[0][0] @ axes[1][0]), principal_cosines(*axes).mean()

    return lambda: centroids.compare(setting.on(first), setting.on(second)), expected


@check("centroids.principal_components", SINGULAR)
def principal_components(setting: Setting) -> Pair:
    """Projections on the principal directions."""
    rows = setting.stream(60, 30)
    about_mean = rows - rows.mean(0)
    return (
        lambda: signed(centroids.principal_components(setting.on(rows), 3).T),
        lambda: signed(right_singular_vectors(about_mean)[:3] @ about_mean.numpy().T),
    )


@check("scores.logit_scores", EXACT)
def logit_scores(setting: Setting) -> Pair:
    """One entry for each task and probe."""
    logits, targets = setting.normal(3, 50, 7), setting.whole(7, 3, 50)
    return (
        lambda: scores.logit_scores(*setting.all_on([logits, targets])),
        lambda: np.array([[logits[task, probe, targets[task, probe]] for probe in range(50)] for task in range(3)]),
    )


@check("scores.full_scores", ROUNDED)
def full_scores(setting: Setting) -> Pair:
    """The sum, one entry after another."""
    logits = setting.normal(3, 50, 7)
    return lambda: scores.full_scores(setting.on(logits)), lambda: sum(logits[..., entry] for entry in range(7))


@check("scores.inner_scores", NETWORK)
def inner_scores(setting: Setting) -> Pair:
    """The sum of a probe's outputs, and their products with directions, one after another."""
    outputs, directions = setting.normal(20, 4, 5), setting.normal(3, 4, 5, seed=1)

    def expected() -> list[np.ndarray]:
        products = summed_products(directions.flatten(1), outputs.flatten(1))
        return [summed_products(torch.ones(1, 20), outputs.flatten(1)), products]

    def found() -> list[Tensor]:
        of = setting.on(outputs)
        return [scores.inner_scores(of), scores.inner_scores(of, setting.on(directions))]

    return found, expected


def _mean_cosine(first: Tensor, second: Tensor) -> float:
    pairs = zip(first.numpy(), second.numpy(), strict=True)
    return float(np.mean([a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in pairs]))
