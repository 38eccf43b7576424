"""Choosing slots by layer, head, name and training; what is left out, tied or unreal is said."""

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.func import functional_call

from sedlib.selftest.oracles import encoder
from sedlib.slots.attention_modules import attention_modules
from sedlib.slots.heads import head_count
from sedlib.slots.patterns import as_patterns
from sedlib.slots.slot import LowRank, Slot
from sedlib.vectors import ParamLayout
from tests.slots.families import FAMILIES, Timm

FORMS: dict[str, Callable[[], nn.MultiheadAttention]] = {
    "one size": lambda: nn.MultiheadAttention(12, 3, dtype=torch.float64),
    "with biases of keys": lambda: nn.MultiheadAttention(12, 3, add_bias_kv=True, dtype=torch.float64),
    "own sizes": lambda: nn.MultiheadAttention(12, 3, kdim=5, vdim=7, dtype=torch.float64),
}


def by_hand(module: Any, inputs: list[Tensor], without: int) -> Tensor:
    """What the module gives for one sequence when a head's part of Q, K, V and O is zero, head by head."""
    weights = (
        module.in_proj_weight.chunk(3)
        if module.in_proj_weight is not None
        else (module.q_proj_weight, module.k_proj_weight, module.v_proj_weight)
    )
    q, k, v = (x @ w.T + b for x, w, b in zip(inputs, weights, module.in_proj_bias.chunk(3), strict=True))
    if module.bias_k is not None:
        k, v = torch.cat([k, module.bias_k[0]]), torch.cat([v, module.bias_v[0]])
    total = module.out_proj.bias
    for head in range(module.num_heads):
        mine = slice(4 * head, 4 * head + 4)
        mixed = torch.softmax(q[:, mine] @ k[:, mine].T / 2, dim=-1) @ v[:, mine]
        if head != without:
            total = total + mixed @ module.out_proj.weight[:, mine].T
    return total


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_multihead_attention_without_a_head(form: str) -> None:
    module, random = FORMS[form]().eval(), torch.Generator().manual_seed(0)
    values = {name: torch.randn(p.shape, dtype=p.dtype, generator=random) for name, p in module.named_parameters()}
    module.load_state_dict(values)
    x = [torch.randn(4, size, dtype=torch.float64, generator=random) for size in (12, module.kdim, module.vdim)]
    whole = ParamLayout.attention(module)
    assert whole.names == tuple(name for name in values if "weight" in name)
    for head in range(3):
        layout = ParamLayout.attention(module, heads=head)
        found = functional_call(module, layout.placed(layout.flatten(values) * 0, values), tuple(x))[0]
        torch.testing.assert_close(found, by_hand(module, x, head), rtol=1e-12, atol=1e-12)
        assert 3 * layout.size == whole.size


def test_layers_and_heads() -> None:
    module = encoder(8, 2, 16, 4)
    one = ParamLayout.attention(module, layers=3, heads=1)
    assert one.names == (
        "layers.3.self_attn.in_proj_weight[4:8|12:16|20:24]",
        "layers.3.self_attn.out_proj.weight[:, 4:8]",
    )
    assert one == ParamLayout.attention(module, layers=[3], heads=[1]) == ParamLayout.attention(module, heads={3: 1})
    assert one == ParamLayout.attention(module, heads=1, include="layers.3.*")
    both = ParamLayout.attention(module, heads={0: [1], 2: [0, 1]})
    assert [name.partition(".self")[0] for name in both.names] == ["layers.0", "layers.0", "layers.2", "layers.2"]
    assert both.names[2] == "layers.2.self_attn.in_proj_weight[0:24]"
    assert ParamLayout.attention(module, layers=range(1, 3)).names == ParamLayout.attention(module).names[2:6]


def test_globs_and_lists_of_globs() -> None:
    module = encoder(8, 2, 16, 2)
    first, last = "layers.0.self_attn.in_proj_weight", "layers.1.self_attn.out_proj.weight"
    found = ParamLayout.attention(module, include=["*in_proj_weight", "layers.1.*"], exclude="*.1.*in_*")
    assert found.names == (first, last)
    found = ParamLayout.select(module, ["*.self_attn.*"], "*linear*", exclude=["*.bias", "*linear*", "*_bias"])
    assert found == ParamLayout.attention(module)
    module.layers[0].requires_grad_(False)
    assert ParamLayout.attention(module, trainable_only=True).names == ParamLayout.attention(module, layers=1).names
    trainable = ParamLayout.select(module, "*weight", trainable_only=True).names
    assert trainable
    assert all(not name.startswith("layers.0") for name in trainable)


class Alike(nn.Module):
    """One attention module of a known structure, and one of none."""

    def __init__(self) -> None:
        super().__init__()
        self.known, self.attn_gate = nn.MultiheadAttention(8, 2), nn.Linear(8, 8)
        self.own = nn.ModuleDict({"query": nn.Linear(8, 8), "norm": nn.LayerNorm(8)})


def test_what_looks_like_attention_and_is_not_known_is_said_and_listed() -> None:
    with pytest.warns(UserWarning, match=r"no known structure, and are left out: attn_gate.weight, own.query.weight; "):
        layout = ParamLayout.attention(Alike())
    assert layout.left_out == ("attn_gate.weight", "own.query.weight")
    assert layout.names == ("known.in_proj_weight", "known.out_proj.weight")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ParamLayout.attention(Alike(), exclude=["own.*", "attn_gate.*"]).left_out == ()
        assert ParamLayout.attention(Alike(), include="known.*").left_out == ()


def test_the_query_of_gpt2s_cross_attention_is_found() -> None:
    names = ParamLayout.attention(FAMILIES["GPT-2, cross"].network(), layers=0, include="*crossattention*").names
    assert [name.split(".")[-2] for name in names] == ["c_attn", "q_attn", "c_proj"]


def headless(**attributes: Any) -> Timm:
    module = Timm()
    for block in module.blocks:
        del block.attn.num_heads  # type: ignore[union-attr]
        for name, value in attributes.items():
            setattr(block.attn, name, value)
    return module


class ChatGLMAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.num_attention_heads, self.query_key_value, self.dense = 2, nn.Linear(8, 24), nn.Linear(8, 8)


class Grouped(nn.Module):
    """With four heads of values, two of keys."""

    def __init__(self) -> None:
        super().__init__()
        self.num_heads, sizes = 4, {"q_proj": 8, "k_proj": 4, "v_proj": 8, "o_proj": 8}
        for name, size in sizes.items():
            self.add_module(name, nn.Linear(8, size))


class Layer(nn.Module):
    """Without an output projection of its own, before a feed-forward layer that is named like one."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.ModuleDict({name: nn.Linear(8, 8) for name in ("query", "key", "value")})
        self.output = nn.ModuleDict({"dense": nn.Linear(20, 8)})


def shared_weight() -> nn.Module:
    first, second = nn.MultiheadAttention(4, 2), nn.MultiheadAttention(4, 2)
    second.in_proj_weight = first.in_proj_weight
    return nn.ModuleList([first, second])


def test_a_weight_of_two_modules_is_one_slot() -> None:
    names = ParamLayout.attention(shared_weight(), heads={0: 0, 1: 1}).names
    assert names == ("0.in_proj_weight[0:12]", "0.out_proj.weight[:, 0:2]", "1.out_proj.weight[:, 2:4]")
    assert ParamLayout.attention(shared_weight()).shapes == ((12, 4), (4, 4), (4, 4))


def swin_like() -> nn.Module:
    return nn.ModuleList(nn.ModuleList(nn.MultiheadAttention(4, 2) for _ in range(2)) for _ in range(2))


def shared_layer() -> nn.Module:
    layer = nn.MultiheadAttention(4, 2)
    return nn.ModuleDict({"layers": nn.ModuleList([layer, layer])})


@pytest.mark.parametrize(
    ("choose", "message"),
    [
        (lambda: ParamLayout.attention(Timm(), layers=5), r"no attention module in layer 5; there are layers: 0–1"),
        (lambda: ParamLayout.attention(Timm(), layers=[]), r"layers: expected at least one number, got none"),
        (lambda: ParamLayout.attention(Timm(), heads=4), r"'blocks.0.attn' has heads 0 to 3, and no head 4"),
        (lambda: ParamLayout.attention(Timm(), heads=-1), r"'blocks.0.attn' has heads 0 to 3, and no head -1"),
        (lambda: ParamLayout.attention(Timm(), layers=1, heads={1: [0]}), r"give layers, or heads as a mapping"),
        (lambda: ParamLayout.attention(headless(), heads=0), r"'blocks.0.attn': how many heads it has cannot be told"),
        (lambda: ParamLayout.attention(headless(num_heads=5), heads=0), r"its 5 heads do not make up the 16 inputs"),
        (lambda: ParamLayout.attention(headless(n_head=4, head_dim=8), heads=0), r"its 4 heads of size 8 do not make"),
        (
            lambda: ParamLayout.attention(ChatGLMAttention(), heads=0),
            r"ChatGLMAttention: where its 2 heads lie",
        ),
        (lambda: ParamLayout.attention(Grouped(), heads=0), r"Grouped: where its 4 heads lie .*k_proj.weight \(4, 8\)"),
        (lambda: ParamLayout.attention(Layer()), r"no attention module .*; there are: attention.query.weight \(8, 8\)"),
        (lambda: ParamLayout.attention(swin_like(), layers=1), r"'0.1': which of \(0, 1\) is its layer"),
        (lambda: ParamLayout.attention(nn.MultiheadAttention(4, 2), layers=0), r"layers: none with a number"),
        (
            lambda: ParamLayout.attention(shared_layer(), layers=1),
            r"layers: 0 \(.*'layers.1' is module 'layers.0'",
        ),
        (
            lambda: ParamLayout.attention(Timm(), include="*q_proj*"),
            r"'\*q_proj\*' matches no attention parameter; there",
        ),
        (lambda: ParamLayout.attention(Timm(), exclude="*.o.*"), r"'\*.o.\*' matches no attention parameter"),
        (lambda: ParamLayout.attention(Timm(), exclude="*"), r"exclude=\['\*'\] leaves no attention parameter"),
        (
            lambda: ParamLayout.attention(Alike(), include="own.*"),
            r"of no known .*own.query.weight",
        ),
        (
            lambda: ParamLayout.attention(Timm().requires_grad_(False), trainable_only=True),
            r"frozen .*blocks.0.attn.qkv",
        ),
        (
            lambda: as_patterns("*", [["head.*"]]),
            r"glob patterns of parameter names, as texts or lists of texts, got a list; lists of lists are none",
        ),
        (lambda: ParamLayout.select(Timm(), []), r"no pattern given"),
    ],
)
def test_what_cannot_be_chosen_is_refused(choose: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        choose()


def test_a_fused_weight_whose_order_is_not_known_is_taken_as_a_whole() -> None:
    assert ParamLayout.attention(ChatGLMAttention()).names == ("query_key_value.weight", "dense.weight")
    assert head_count(attention_modules(headless(n_head=4, head_dim=4))[0]) == 4
    assert head_count(attention_modules(headless(head_dim=8))[0]) == 2


class Tied(nn.Module):
    """A head whose weight is that of the embedding, and a layer that goes by two names."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(5, 3), nn.Linear(3, 5)
        self.head.weight = self.embed.weight
        self.first = nn.ModuleDict({"inner": nn.Linear(3, 3)})
        self.second = self.first


HEAD_IS_TIED = r"'head.weight' is tied to 'embed.weight'; it goes by that name here: include or exclude 'embed.weight'"


@pytest.mark.parametrize(
    ("choose", "message"),
    [
        (lambda: ParamLayout.select(Tied(), "head.weight"), HEAD_IS_TIED),
        (lambda: ParamLayout.select(Tied(), "head.*"), HEAD_IS_TIED),
        (lambda: ParamLayout.select(Tied(), "*", exclude="head.*"), HEAD_IS_TIED),
        (
            lambda: ParamLayout.select(Tied(), "second.*"),
            r"'second.inner.weight' is 'first.inner.weight': module 'second' is module 'first' under another name",
        ),
        (lambda: ParamLayout(("head.weight",), ((5, 3),)).of(Tied()), r"'head.weight' is tied to 'embed.weight'"),
        (
            lambda: ParamLayout.select(Tied(), "embed.*").flatten({"head.weight": torch.zeros(5, 3)}),
            r"parameter 'embed.weight' is missing \('head.weight', which is tied to it, is there\)",
        ),
    ],
)
def test_a_tied_name_is_named_with_what_it_is_tied_to(choose: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        choose()


def test_a_tied_parameter_is_one_under_its_first_name() -> None:
    every = ("embed.weight", "head.bias", "first.inner.weight", "first.inner.bias")
    assert ParamLayout.select(Tied(), "*").names == every == tuple(dict(Tied().named_parameters()))
    assert ParamLayout.select(Tied(), "head.*", "embed.*").names == every[:2]
    assert ParamLayout.select(Tied(), "head.*", exclude="head.weight").names == ("head.bias",)
    assert ParamLayout.select(Tied(), "*", exclude="*.weight").names == ("head.bias", "first.inner.bias")


class Circle(nn.Module):
    """A module that holds itself."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 2)
        self.linear.add_module("parent", self)


def test_a_module_in_itself_is_read_once() -> None:
    assert ParamLayout.select(Circle(), "*").names == ("linear.weight", "linear.bias")


class Unreal(nn.Module):
    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.real, self.odd = nn.Linear(2, 2), nn.Parameter(value, requires_grad=False)


@pytest.mark.parametrize("dtype", [torch.complex64, torch.int8, torch.bool])
def test_parameters_that_are_not_real_are_refused_by_name(dtype: torch.dtype) -> None:
    value = torch.zeros(2, 3, dtype=dtype)
    message = rf"parameter 'odd': expected real floating-point numbers, got {dtype}; leave it out"
    for call in (
        lambda: ParamLayout.select(Unreal(value), "*"),
        lambda: ParamLayout(("odd",), ((2, 3),)).flatten({"odd": value}),
        lambda: ParamLayout(("odd",), ((2, 3),)).of(Unreal(value)),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    assert len(ParamLayout.select(Unreal(value), "*", exclude="odd").names) == 2
    attention = nn.MultiheadAttention(4, 2)
    attention.in_proj_weight = nn.Parameter(torch.zeros(12, 4, dtype=dtype), requires_grad=False)
    with pytest.raises(ValueError, match=r"parameter 'in_proj_weight': expected real"):
        ParamLayout.attention(attention)


def test_complex_vectors_and_parameters_without_a_size_are_refused() -> None:
    layout = ParamLayout(("a",), ((2,),))
    with pytest.raises(ValueError, match=r"expected a vector of real numbers \(a\), got torch.complex64"):
        layout._pieces(torch.zeros(2, dtype=torch.complex64))
    with pytest.raises(ValueError, match=r"parameter 'weight' has no size yet; run its lazy module once"):
        ParamLayout.select(nn.LazyLinear(3), "*")


def test_a_layout_of_parts_gives_no_parameters() -> None:
    module = nn.MultiheadAttention(4, 2)
    layout = ParamLayout.attention(module, heads=0)
    for call in (lambda: layout.of(module), lambda: layout.unflatten(torch.zeros(layout.size))):
        with pytest.raises(ValueError, match=r"parts of parameters or merged weights \('in_proj_weight\[0:2\|.*placed"):
            call()
    with pytest.raises(ValueError, match=r"'out_proj.weight' is missing; there are: in_proj_weight"):
        layout.placed(torch.zeros(layout.size), {"in_proj_weight": torch.zeros(12, 4)})


def test_messages_stay_short_however_many_names_there_are() -> None:
    module = nn.ModuleList(nn.Linear(2, 2) for _ in range(400))
    values = dict(module.named_parameters())
    layout = ParamLayout.select(module, "*")
    for call in (
        lambda: ParamLayout.select(module, "250.wieght"),
        lambda: ParamLayout.select(module),
        lambda: ParamLayout.select(module, "*", exclude="*"),
        lambda: ParamLayout.attention(module),
        lambda: ParamLayout(("250.wieght",), ((2, 2),)).flatten(values),
        lambda: ParamLayout(("250.wieght",), ((2, 2),)).of(module),
        lambda: layout.unflatten(torch.zeros(1)),
    ):
        with pytest.raises(ValueError, match="and 794 others") as raised:
            call()
        assert len(str(raised.value)) < 400
    with pytest.raises(ValueError, match=r"'250.wieght' matches no parameter; there are: 250.weight \(2, 2\)"):
        ParamLayout.select(module, "250.wieght")


@given(st.data())
def test_a_part_is_put_where_it_was_taken(data: st.DataObject) -> None:
    shape = (data.draw(st.integers(1, 6)), data.draw(st.integers(1, 6)))
    axis = data.draw(st.integers(0, 1))
    cuts = sorted(data.draw(st.sets(st.integers(0, shape[axis]), min_size=2, max_size=6)))
    ranges = tuple(zip(cuts[::2], cuts[1::2], strict=False))
    is_transposed, is_added = data.draw(st.booleans()), data.draw(st.booleans())
    outputs, inputs = reversed(shape) if is_transposed else shape
    random = torch.Generator().manual_seed(data.draw(st.integers(0, 9)))
    values = {
        name: torch.randn(size, dtype=torch.float64, generator=random)
        for name, size in {"w": shape, "b": (outputs, 2), "a": (2, inputs)}.items()
    }
    slot = Slot("w", shape, axis, ranges, (LowRank("b", "a", 0.5, is_transposed),) * is_added)
    part = torch.randn(slot.part_shape, dtype=torch.float64, generator=random)
    placed = slot.put(part, values)
    torch.testing.assert_close(slot.take({**values, "w": placed}), part, rtol=1e-13, atol=1e-13 * is_added)
    moved = (placed != values["w"]).any(dim=1 - axis).nonzero().flatten().tolist()
    assert set(moved) <= {row for start, stop in ranges for row in range(start, stop)}
    assert Slot.from_json(slot.label, slot.to_json()) == slot


def test_a_wider_vector_widens_what_it_is_placed_in_and_a_narrower_one_narrows_nothing() -> None:
    slot, whole = Slot("w", (3, 2), 0, ((1, 2),)), torch.full((3, 2), 1 / 3, dtype=torch.float64)
    assert slot.put(torch.zeros(1, 2), {"w": whole}).dtype == torch.float64
    assert torch.equal(slot.put(torch.zeros(1, 2), {"w": whole})[[0, 2]], whole[[0, 2]])
    assert slot.put(torch.zeros(1, 2, dtype=torch.float64), {"w": whole.bfloat16()}).dtype == torch.float64
