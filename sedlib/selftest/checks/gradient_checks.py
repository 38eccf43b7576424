"""Gradients: each loss and each example on its own, one parameter at a time, in float64."""

import copy
import math

import torch
from torch import Tensor, nn

import sedlib.gradients as gradients
from sedlib.selftest.check import Pair, check
from sedlib.selftest.oracles import looped_example_gradients, looped_gradient
from sedlib.selftest.setting import Setting
from sedlib.selftest.tolerance import NETWORK
from sedlib.vectors import ParamLayout


def small_network(setting: Setting) -> tuple[nn.Module, nn.Module]:
    """A network of two layers as it is checked, and its float64 twin on the CPU."""
    twin = nn.Sequential(nn.Linear(12, 48), nn.Tanh(), nn.Linear(48, 5)).double()
    with torch.no_grad():
        for seed, parameter in enumerate(twin.parameters()):
            parameter.copy_(setting.rounded(setting.normal(*parameter.shape, seed=seed) / math.sqrt(12)))
    return copy.deepcopy(twin).to(setting.device, setting.dtype), twin


@check("gradients.task_gradients", NETWORK)
def task_gradients(setting: Setting) -> Pair:
    """Two losses of one forward pass, and the same over batches of different sizes."""
    network, twin = small_network(setting)
    inputs, layout = setting.normal(64, 12), ParamLayout.select(network, "*")
    batches = setting.on(inputs).split([40, 23, 1])

    def sums(module: nn.Module, at: Tensor) -> dict[str, Tensor]:
        outputs = module(at)
        return {"first": outputs.square().sum(), "second": outputs.exp().sum()}

    def means(module: nn.Module) -> dict[str, Tensor]:
        return {task: total / 64 for task, total in sums(module, setting.on(inputs)).items()}

    def with_counts(module: nn.Module, batch: Tensor) -> dict[str, tuple[Tensor, int]]:
        return {task: (total, len(batch)) for task, total in sums(module, batch).items()}

    def found() -> list[dict[str, Tensor]]:
        over_batches = gradients.task_gradients(with_counts, network, layout, batches=batches)
        return [gradients.task_gradients(means, network, layout), over_batches]

    def expected() -> list[Tensor]:
        names = list(layout.names)
        rows = [looped_gradient(lambda: sums(twin, inputs)["first"] / 64, twin, names)]
        rows += [looped_gradient(lambda: sums(twin, inputs)["second"] / 64, twin, names)]
        return rows * 2

    return found, expected


def cubic_loss(theta: Tensor, x: Tensor, target: Tensor) -> Tensor:
    """Of one example."""
    return ((x @ theta) ** 3 - target).square()


@check("gradients.per_example_gradients", NETWORK)
def per_example_gradients(setting: Setting) -> Pair:
    """In blocks that do not divide the examples."""
    theta, x, target = setting.rounded(setting.normal(60) / 8), setting.normal(25, 60, seed=1), setting.normal(25)
    examples = setting.all_on([x, target])
    return (
        lambda: gradients.per_example_gradients(cubic_loss, setting.on(theta), examples, block=7),
        lambda: looped_example_gradients(cubic_loss, theta, [x, target]),
    )
