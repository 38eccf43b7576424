"""Responses, their baseline and coupling ratios."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

import sedlib.coupling as coupling
from sedlib.centroids import centroids
from sedlib.coupling import CentroidsAt
from sedlib.selftest.check import Pair, check
from sedlib.selftest.checks.gradient_checks import small_network
from sedlib.selftest.oracles import looped_centroids
from sedlib.selftest.setting import Setting
from sedlib.selftest.tolerance import DIFFERENCE, NETWORK, ROUNDED
from sedlib.vectors import ParamLayout

EPSILON = 0.05


def _scores(network: nn.Module, layout: ParamLayout, theta: Tensor) -> CentroidsAt:
    def scores(h: Tensor) -> Tensor:
        outputs = torch.func.functional_call(network, layout.unflatten(theta), (h,))
        return torch.stack([outputs[:, 1], outputs.square().sum(1)])

    return scores


def _mean_square(change: np.ndarray) -> np.ndarray:
    return (change**2).sum(-1).mean(-1)


@dataclass(frozen=True)
class _Problem:
    """Centroids of a small network as a function of its first layer's weights, and a direction."""

    at: CentroidsAt
    theta: Tensor
    direction: Tensor

    @classmethod
    def of(cls, setting: Setting) -> tuple["_Problem", "_Problem"]:
        """As it is checked, and its twin, of which each centroid is a backward pass of its own."""
        network, twin = (module.requires_grad_(False) for module in small_network(setting))
        layout, h = ParamLayout.select(network, "0.weight"), setting.normal(5, 12)
        own, direction = setting.on(h), setting.basis(1, layout.size)[0]
        theta, of_twin = (layout.flatten(dict(module.named_parameters())) for module in (network, twin))
        return (
            cls(lambda at: centroids(_scores(network, layout, at), own), theta, setting.on(direction)),
            cls(lambda at: looped_centroids(_scores(twin, layout, at), h), of_twin, direction),
        )


@check("coupling.central_difference", DIFFERENCE)
def central_difference(setting: Setting) -> Pair:
    """The central difference of the twin, in float64."""
    problem, twin = _Problem.of(setting)

    def expected() -> np.ndarray:
        step = EPSILON * float(np.linalg.norm(twin.theta.numpy()))
        ahead, behind = (twin.at(twin.theta + sign * step * twin.direction).detach().numpy() for sign in (1, -1))
        return _mean_square((ahead - behind) / (2 * step))

    return lambda: coupling.central_difference(problem.at, problem.theta, EPSILON)(problem.direction), expected


@check("coupling.jvp", NETWORK)
def jvp(setting: Setting) -> Pair:
    """The gradient of one entry of the centroids after another, times the direction."""
    problem, twin = _Problem.of(setting)

    def expected() -> np.ndarray:
        theta = twin.theta.clone().requires_grad_()
        entries = twin.at(theta)
        gradients = [torch.autograd.grad(entry, theta, retain_graph=True)[0] for entry in entries.flatten()]
        return _mean_square((torch.stack(gradients) @ twin.direction).view_as(entries).detach().numpy())

    return lambda: coupling.jvp(problem.at, problem.theta)(problem.direction), expected


@check("coupling.random_baseline", ROUNDED)
def random_baseline(setting: Setting) -> Pair:
    """The mean of the middle two, and of all."""
    responses = setting.rounded(setting.normal(20, 3).square())

    def expected() -> tuple[np.ndarray, np.ndarray, int]:
        in_order = np.sort(responses.numpy(), axis=0)
        return (in_order[9] + in_order[10]) / 2, in_order.sum(0) / 20, 20

    return lambda: coupling.random_baseline(setting.on(responses)), expected


@check("coupling.coupling_ratios", ROUNDED)
def coupling_ratios(setting: Setting) -> Pair:
    """Each response over the median."""
    responses, median = setting.normal(3, 2).square(), setting.normal(2, seed=1).square()
    responses, median = setting.rounded(responses), setting.rounded(median)
    baseline = coupling.Baseline(setting.on(median), setting.on(median), 20)
    ratios = responses.numpy() / median.numpy()
    return lambda: coupling.coupling_ratios(setting.on(responses), baseline), lambda: (ratios, ratios.sum(0) / 3)
