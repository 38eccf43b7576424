import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sedlib.blocks import blocks
from sedlib.positions import Positions
from sedlib.vectors import ParamLayout

LAYOUT = ParamLayout(("bias", "in_proj_weight", "scale", "norm"), ((5,), (6, 4), (), (3,)))


def test_blocks_are_the_columns_of_the_parameters_and_of_their_parts() -> None:
    vector = torch.arange(33.0)
    values = LAYOUT.unflatten(vector)
    found = blocks(LAYOUT, ["in_proj_weight", "norm"], {"in_proj*": ("query", "key", "value")})
    names = ["in_proj_weight.query", "in_proj_weight.key", "in_proj_weight.value", "norm"]
    assert list(found) == names
    for name, part in zip(names, (*values["in_proj_weight"].chunk(3), values["norm"]), strict=True):
        assert torch.equal(vector[found[name]], part.flatten())
    assert list(blocks(LAYOUT, LAYOUT.names)) == list(LAYOUT.names)


@pytest.mark.parametrize(
    ("names", "parts", "message"),
    [
        (["weight"], {}, r"no parameter 'weight'; there are: bias, in_proj_weight, scale, norm"),
        (["bias"], {"in_proj*": ("q", "k")}, r"pattern 'in_proj\*' matches none of: bias"),
        (["bias"], {"bias": ("q", "k")}, r"'bias' of shape \(5,\) has no 2 equal parts"),
        (["scale"], {"scale": ("q", "k")}, r"'scale' of shape \(\) has no 2 equal parts"),
    ],
)
def test_blocks_that_are_not_there_are_refused(
    names: list[str], parts: dict[str, tuple[str, ...]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        blocks(LAYOUT, names, parts)


def states() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    shapes = zip(LAYOUT.names, LAYOUT.shapes, strict=True)
    return {name: rng.standard_normal((6, *shape)).astype(np.float32) for name, shape in shapes}


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 32), st.integers(1, 40), st.integers(0, 5), st.integers(1, 6))
def test_positions_are_the_flattened_states(start: int, width: int, first: int, count: int) -> None:
    values = states()
    positions = Positions(values, LAYOUT)
    tensors = {name: torch.from_numpy(value) for name, value in values.items()}
    expected = np.stack([LAYOUT.flatten({name: value[t] for name, value in tensors.items()}) for t in range(6)])
    assert positions.shape == expected.shape
    key = slice(first, first + count), slice(start, start + width)
    np.testing.assert_array_equal(positions[key], expected[key])


def test_states_that_do_not_fit_the_layout_are_refused() -> None:
    values = states()
    with pytest.raises(ValueError, match=r"parameter 'norm': expected shape \(6, 3\), got \(5, 3\)"):
        Positions({**values, "norm": values["norm"][:5]}, LAYOUT)
    del values["norm"]
    with pytest.raises(ValueError, match="parameter 'norm' is missing; there are: bias, in_proj_weight, scale"):
        Positions(values, LAYOUT)


def test_states_that_are_not_real_and_layouts_of_parts_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'scale': expected real floating-point numbers, got complex64"):
        Positions(states() | {"scale": np.zeros(6, np.complex64)}, LAYOUT)
    parts = ParamLayout.attention(torch.nn.MultiheadAttention(4, 2), heads=0)
    with pytest.raises(ValueError, match=r"expected a layout of whole parameters, got one with in_proj_weight\[0:2"):
        Positions({}, parts)
