"""Parameters as vectors, positions and blocks of columns: what is read must be what was written."""

from hashlib import sha256

import numpy as np
import torch
from torch import Tensor, nn

import sedlib.base.randomness as randomness
import sedlib.blocks as blocks
import sedlib.positions as positions
import sedlib.vectors as vectors
from sedlib.selftest.check import Pair, check
from sedlib.selftest.setting import Setting
from sedlib.selftest.tolerance import EXACT

LAYOUT = vectors.ParamLayout(("bias", "in_proj_weight", "scale", "norm"), ((50,), (96, 40), (), (30,)))
STEPS = 6


def _values(setting: Setting) -> dict[str, Tensor]:
    return {name: setting.normal(STEPS, *shape) for name, shape in zip(LAYOUT.names, LAYOUT.shapes, strict=True)}


def _written_out(values: dict[str, Tensor]) -> np.ndarray:
    """A row for each step, one number after another."""
    return np.stack([[x for value in values.values() for x in np.ravel(value[t].numpy())] for t in range(STEPS)])


@check("vectors.ParamLayout.flatten", EXACT)
def flatten(setting: Setting) -> Pair:
    """The values one after another."""
    values = _values(setting)
    first = {name: setting.on(value[0]) for name, value in values.items()}
    return lambda: LAYOUT.flatten(first), lambda: _written_out(values)[0]


@check("vectors.ParamLayout.unflatten", EXACT)
def unflatten(setting: Setting) -> Pair:
    """The values again."""
    values = _values(setting)
    vector = setting.on(torch.from_numpy(_written_out(values)[0]))
    return lambda: LAYOUT.unflatten(vector), lambda: [value[0] for value in values.values()]


def _attention(setting: Setting) -> tuple[nn.MultiheadAttention, dict[str, Tensor]]:
    """Four heads of four, and the values of its projections."""
    module = nn.MultiheadAttention(16, 4).to(setting.device, setting.dtype)
    drawn = {"in_proj_weight": setting.normal(48, 16), "out_proj.weight": setting.normal(16, 16, seed=1)}
    module.load_state_dict({name: setting.on(value) for name, value in drawn.items()}, strict=False)
    return module, drawn


@check("vectors.ParamLayout.attention", EXACT)
def attention(setting: Setting) -> Pair:
    """The projections of an attention module, and the part of one head: 4 rows of Q, K and V each, 4 columns of O."""
    module, drawn = _attention(setting)
    fused, out = drawn.values()
    of_head = torch.cat([*(fused[start : start + 4].flatten() for start in (8, 24, 40)), out[:, 8:12].flatten()])

    def found() -> list[object]:
        heads = vectors.ParamLayout.attention(module, heads=2)
        return [vectors.ParamLayout.attention(module).of(module), heads.flatten(dict(module.named_parameters()))]

    return found, lambda: [fused, out, of_head]


@check("vectors.ParamLayout.placed", EXACT)
def placed(setting: Setting) -> Pair:
    """Whole projections in which one head is another's."""
    module, drawn = _attention(setting)
    vector = setting.normal(4 * 4 * 16, seed=2)

    def expected() -> list[Tensor]:
        fused, out = (value.clone() for value in drawn.values())
        rows = [*range(8, 12), *range(24, 28), *range(40, 44)]
        for row, of_head in zip(rows, vector[:192].view(12, 16), strict=True):
            fused[row] = of_head
        out[:, 8:12] = vector[192:].view(16, 4)
        return [fused, out]

    layout = vectors.ParamLayout.attention(module, heads=2)
    return lambda: layout.placed(setting.on(vector), dict(module.named_parameters())), expected


@check("positions.Positions", EXACT)
def columns_of_positions(setting: Setting) -> Pair:
    """Some columns of some steps."""
    values = _values(setting)
    rows = {name: setting.rows(value) for name, value in values.items()}
    key = slice(1, 5), slice(30, 3_905)
    return lambda: positions.Positions(rows, LAYOUT)[key], lambda: _written_out(values)[key]


@check("blocks.blocks", EXACT)
def columns_of_blocks(setting: Setting) -> Pair:
    """The columns of a third of a matrix, and those of a parameter after it."""
    vector = setting.on(setting.normal(LAYOUT.size))
    names, parts = ["in_proj_weight", "norm"], {"in_proj*": ("query", "key", "value")}
    edges = [(50, 1_330), (1_330, 2_610), (2_610, 3_890), (3_891, 3_921)]
    return (
        lambda: [vector[block] for block in blocks.blocks(LAYOUT, names, parts).values()],
        lambda: [vector[start:stop] for start, stop in edges],
    )


@check("randomness.generator", EXACT)
def generator(_: Setting) -> Pair:
    """The numbers of a Mersenne twister of the same seed, by NumPy's own; the seed's lowest 32 bits are used."""
    seed = (int.from_bytes(sha256(b"selftest/5").digest()[:8]) >> 1) % 2**32
    return (
        lambda: torch.randint(1_000, (100,), generator=randomness.generator(5, "selftest")),
        lambda: np.random.RandomState(seed)._bit_generator.random_raw(100) % 1_000,
    )
