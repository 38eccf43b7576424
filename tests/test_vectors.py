import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from sedlib.selftest.oracles import encoder
from sedlib.vectors import ParamLayout

shapes = st.lists(st.lists(st.integers(1, 4), min_size=0, max_size=3).map(tuple), min_size=1, max_size=6)


@given(shapes, st.integers(0, 2**16))
def test_flatten_and_unflatten_are_inverse(shapes: list[tuple[int, ...]], seed: int) -> None:
    layout = ParamLayout(tuple(f"p{i}" for i in range(len(shapes))), tuple(shapes))
    generator = torch.Generator().manual_seed(seed)
    values = {name: torch.randn(shape, generator=generator) for name, shape in zip(layout.names, shapes, strict=True)}
    vector = layout.flatten(values)
    assert vector.shape == (layout.size,)
    back = layout.unflatten(vector)
    assert list(back) == list(layout.names)
    assert all(torch.equal(back[name], values[name]) for name in values)
    assert torch.equal(layout.flatten(back), vector)
    assert ParamLayout.from_json(layout.to_json()) == layout


def test_flatten_follows_the_layout_and_not_the_mapping() -> None:
    layout = ParamLayout(("a", "b"), ((2,), (1,)))
    assert layout.flatten({"b": torch.tensor([3.0]), "c": torch.ones(1), "a": torch.tensor([1.0, 2.0])}).tolist() == [
        1,
        2,
        3,
    ]


def test_attention_of_pytorchs_encoder_is_its_four_projections() -> None:
    layout = ParamLayout.attention(encoder(8, 2, 16, 2))
    assert layout.names == tuple(
        f"layers.{i}.self_attn.{name}" for i in range(2) for name in ("in_proj_weight", "out_proj.weight")
    )
    assert layout.size == 2 * 4 * 8 * 8


class Block(nn.Module):
    """An attention module of other houses, with a feed-forward layer that must not be selected."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        self.attn = nn.Module()
        for name in names:
            self.attn.add_module(name, nn.Linear(4, 4))
        self.mlp = nn.ModuleDict({"c_fc": nn.Linear(4, 8), "c_proj": nn.Linear(8, 4)})


@pytest.mark.parametrize(
    "names",
    [
        ("q_proj", "k_proj", "v_proj", "o_proj"),
        ("q_proj", "k_proj", "v_proj", "out_proj"),
        ("c_attn", "c_proj"),
        ("qkv", "proj"),
    ],
)
def test_attention_of_other_houses(names: tuple[str, ...]) -> None:
    layout = ParamLayout.attention(nn.Sequential(Block(*names)))
    assert layout.names == tuple(f"0.attn.{name}.weight" for name in names)


def test_attention_with_separate_key_and_value_sizes() -> None:
    layout = ParamLayout.attention(nn.MultiheadAttention(4, 2, kdim=3, vdim=5))
    assert layout.names == ("q_proj_weight", "k_proj_weight", "v_proj_weight", "out_proj.weight")


def test_no_attention_lists_what_there_is() -> None:
    with pytest.raises(ValueError, match=r"no attention module.*ParamLayout.select.*weight \(2, 3\)"):
        ParamLayout.attention(nn.Linear(3, 2))


def test_globs_select_in_the_modules_order_once_each() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    assert ParamLayout.select(module, "1.*", "*.weight").names == ("0.weight", "1.weight", "1.bias")


@pytest.mark.parametrize("patterns", [("nothing*",), ("*", "nothing*"), ()])
def test_a_glob_without_a_match_lists_what_there_is(patterns: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"there are: weight \(2, 3\), bias \(2,\)"):
        ParamLayout.select(nn.Linear(3, 2), *patterns)


def test_wrong_sizes_and_names_are_refused() -> None:
    layout = ParamLayout(("a",), ((2, 2),))
    with pytest.raises(ValueError, match=r"expected a vector of 4 elements \(a\), got shape \(5,\)"):
        layout.unflatten(torch.zeros(5))
    with pytest.raises(ValueError, match=r"'a' is missing; there are: b"):
        layout.flatten({"b": torch.zeros(2, 2)})
    with pytest.raises(ValueError, match=r"'a': expected shape \(2, 2\), got \(4,\)"):
        layout.flatten({"a": torch.zeros(4)})
    with pytest.raises(ValueError, match="'a' is missing"):
        layout.of(nn.Linear(2, 2))


def test_the_json_of_a_plain_layout_is_names_and_shapes() -> None:
    """Artifacts carry it."""
    layout = ParamLayout.attention(nn.Sequential(Block("qkv", "proj")))
    assert layout.to_json() == '{"0.attn.qkv.weight": [4, 4], "0.attn.proj.weight": [4, 4]}'
    assert ParamLayout.from_json(layout.to_json()) == layout


def test_a_plain_layout_is_placed_as_it_is_unflattened() -> None:
    layout = ParamLayout.select(nn.Linear(3, 2), "*")
    theta = torch.arange(8.0)
    placed = layout.placed(theta, {})
    assert all(part.data_ptr() == placed[name].data_ptr() for name, part in layout.unflatten(theta).items())
