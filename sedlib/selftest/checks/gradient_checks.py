"""Gradients, one loss, example and parameter at a time; what AdamW makes of them, entry by entry; in float64."""

import copy
import math

import numpy as np
import torch
from torch import Tensor, nn

import sedlib.adam as adam
import sedlib.gradients as gradients
import sedlib.sketches.linear_gradients as linear_gradients
import sedlib.sketches.linear_gram as linear_gram
from sedlib.selftest.check import Pair, check
from sedlib.selftest.oracles import looped_example_gradients, looped_gradient, summed_products
from sedlib.selftest.setting import Setting
from sedlib.selftest.tolerance import EXACT, NETWORK, ROUNDED
from sedlib.vectors import ParamLayout

TOKENS, INPUTS, OUTPUTS, STEPS = 700, 6, 5, 4
"""Of rows of a layer that are kept as factors."""


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


@check("linear_gradients.factored_gradients", NETWORK)
def factored_gradients(setting: Setting) -> Pair:
    """Two losses of two layers, of which one keeps factors."""
    network, twin = small_network(setting)
    inputs, layout = setting.normal(5, 12), ParamLayout.select(network, "*.weight")

    def losses(module: nn.Module, at: Tensor) -> dict[str, Tensor]:
        outputs = module(at)
        return {"first": outputs.square().mean(), "second": outputs.exp().mean()}

    def found() -> list[Tensor]:
        rows = linear_gradients.factored_gradients(
            lambda m: losses(m, setting.on(inputs)), network, layout, check=False
        )
        return [row.vector() for row in rows.values()]

    def expected() -> list[Tensor]:
        names = list(layout.names)
        first = looped_gradient(lambda: losses(twin, inputs)["first"], twin, names)
        return [first, looped_gradient(lambda: losses(twin, inputs)["second"], twin, names)]

    return found, expected


def _rows(setting: Setting) -> tuple[list[linear_gram.FactoredRow], Tensor]:
    """Rows of two weights, one as factors, as they are checked; and the whole rows in float64."""
    pairs = [
        (setting.normal(TOKENS, INPUTS, seed=t), setting.normal(TOKENS, OUTPUTS, seed=9 + t)) for t in range(STEPS)
    ]
    whole = [setting.normal(OUTPUTS, INPUTS, seed=20 + t) for t in range(STEPS)]
    rows = [
        linear_gram.FactoredRow(("a", "b"), (linear_gram.LinearFactors(*map(setting.on, pair)), setting.on(gradient)))
        for pair, gradient in zip(pairs, whole, strict=True)
    ]
    made = [torch.einsum("ti,to->oi", *pair) for pair in pairs]
    return rows, torch.stack([torch.cat([a.flatten(), b.flatten()]) for a, b in zip(made, whole, strict=True)])


@check("linear_gram.LinearFactors.product", NETWORK)
def product_of_factors(setting: Setting) -> Pair:
    """With factors, and with a gradient."""
    rows, whole = _rows(setting)
    first, second = rows[0].parts[0], rows[1].parts[0]
    assert isinstance(first, linear_gram.LinearFactors)
    made = whole[:, : INPUTS * OUTPUTS]
    gradient = setting.on(made[1]).reshape(OUTPUTS, INPUTS)

    def expected() -> list[float]:
        return [float((made[0] * other).sum()) for other in (made[1], gradient.double().cpu().flatten())]

    return lambda: [first.product(second), first.product(gradient)], expected


@check("linear_gram.FactoredRow.product", NETWORK)
def product_of_rows(setting: Setting) -> Pair:
    """Of two weights."""
    rows, whole = _rows(setting)
    return lambda: rows[0].product(rows[1]), lambda: float((whole[0] * whole[1]).sum())


@check("linear_gram.FactoredRow.vector", NETWORK)
def vector(setting: Setting) -> Pair:
    """Outer products, summed."""
    rows, whole = _rows(setting)
    return lambda: rows[0].vector(), lambda: whole[0]


@check("linear_gram.factored_band", NETWORK)
def factored_band(setting: Setting) -> Pair:
    """Each product summed on its own, and zero past the last row."""
    rows, whole = _rows(setting)

    def expected() -> np.ndarray:
        products = np.pad(summed_products(whole, whole), ((0, 0), (0, 2)))
        return np.stack([products[t, t : t + 3] for t in range(STEPS)])

    return lambda: linear_gram.factored_band(iter(rows), reach=2), expected


@check("linear_gram.factors_are_fewer", EXACT)
def factors_are_fewer(_: Setting) -> Pair:
    """By counting."""
    sizes = [(1, 2, 2), (1, 2, 3), (1, 3, 3), (256, 768, 768), (512, 768, 768)]
    return (
        lambda: [linear_gram.factors_are_fewer(*size) for size in sizes],
        lambda: [False, True, True, True, False],
    )


LR, BETAS, DECAY, EPSILON, STEP = 0.25, (0.875, 0.9375), 0.5, 2.0**-20, 7


@check("adam.last_step", NETWORK)
def last_step(setting: Setting) -> Pair:
    """The seventh step, with large weight decay."""
    theta, momentum = setting.normal(500), setting.normal(500, seed=1)
    squares = setting.rounded(setting.normal(500, seed=2).square() + 0.5)

    def found() -> dict[str, Tensor]:
        moments = {"exp_avg": setting.on(momentum), "exp_avg_sq": setting.on(squares)}
        return adam.last_step(setting.on(theta), moments, STEP, lr=LR, betas=BETAS, weight_decay=DECAY, epsilon=EPSILON)

    def expected() -> dict[str, Tensor]:
        rungs: dict[str, list[float]] = {"momentum": [], "adam-direction": [], "step-without-decay": [], "step": []}
        for after, m, v in zip(theta.tolist(), momentum.tolist(), squares.tolist(), strict=True):
            direction = m / (1 - BETAS[0] ** STEP) / (math.sqrt(v / (1 - BETAS[1] ** STEP)) + EPSILON)
            before = (after + LR * direction) / (1 - LR * DECAY)
            for rung, value in zip(rungs, (m, direction, -LR * direction, after - before), strict=True):
                rungs[rung].append(value)
        return {rung: torch.tensor(values, dtype=torch.float64) for rung, values in rungs.items()}

    return found, expected


@check("adam.update_without_decay", ROUNDED)
def update_without_decay(setting: Setting) -> Pair:
    """Over seven steps, one after another."""
    theta, before = setting.normal(500), setting.normal(500, seed=1)

    def expected() -> Tensor:
        decayed = before
        for _ in range(STEP):
            decayed = decayed - LR * DECAY * decayed
        return theta - decayed

    return (
        lambda: adam.update_without_decay(setting.on(theta), setting.on(before), STEP, lr=LR, weight_decay=DECAY),
        expected,
    )
