"""Steps of AdamW: the published equations, entry by entry in float64."""

import math

import torch
from torch import Tensor

import sedlib.adam as adam
from sedlib.selftest.check import Pair, check
from sedlib.selftest.setting import Setting
from sedlib.selftest.tolerance import NETWORK, ROUNDED

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
