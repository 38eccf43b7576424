"""LoRA as W + s·BA, against PEFT's own merge; what adapters do besides is refused; wrappers are seen through."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, jvp

from sedlib.slots.adapters import unwrapped
from sedlib.vectors import ParamLayout
from tests.slots.families import FAMILIES, Timm

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
TARGETS = {"GPT-2": ["c_attn", "q_attn"], "Llama": ["q_proj", "v_proj"], "Pythia": ["query_key_value", "dense"]}


def adapted(family: str, **config: Any) -> Any:
    """The family's network in PEFT's wrapper, every adapter weight random."""
    import peft

    settings = {
        "r": 3,
        "lora_alpha": 5,
        "target_modules": TARGETS[family],
        "fan_in_fan_out": family == "GPT-2",
    } | config
    module = peft.get_peft_model(FAMILIES[family].network(), peft.LoraConfig(**settings)).double().eval()
    return drawn(module)


def drawn(module: Any) -> Any:
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if "lora_" in name:
                parameter.copy_(torch.randn(parameter.shape) / 3)
    return module


def merged(module: Any) -> nn.Module:
    """The same network with PEFT's own sum in the place of each weight."""
    return copy.deepcopy(module).merge_and_unload()


def logits(module: nn.Module, family: str, parameters: dict[str, Tensor]) -> Tensor:
    return functional_call(module, parameters, (), FAMILIES[family].given()).logits


@pytest.fixture(params=TARGETS)
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize("heads", [None, [1, 2]])
def test_slots_are_the_merged_weights(family: str, heads: list[int] | None) -> None:
    module = adapted(family)
    layout, plain = ParamLayout.attention(module, heads=heads), ParamLayout.attention(merged(module), heads=heads)
    values, sums = module.state_dict(), merged(module).state_dict()
    torch.testing.assert_close(layout.flatten(values), plain.flatten(sums), rtol=1e-14, atol=1e-14)
    assert [name for name in layout.names if "+BA" in name]
    assert layout.shapes == plain.shapes

    theta = torch.randn(layout.size, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    placed = layout.placed(theta, values)
    torch.testing.assert_close(layout.flatten({**values, **placed}), theta, rtol=1e-14, atol=1e-14)
    found, expected = logits(module, family, placed), logits(merged(module), family, plain.placed(theta, sums))
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    assert ParamLayout.from_json(layout.to_json()) == layout


def test_derivatives_in_merged_weights_are_those_in_the_sums(family: str) -> None:
    module = adapted(family)
    sum_of_both = merged(module)
    plain, layout = ParamLayout.attention(sum_of_both), ParamLayout.attention(module)
    values, sums = module.state_dict(), sum_of_both.state_dict()
    theta, direction = plain.flatten(sums), torch.ones(plain.size, dtype=torch.float64)

    def loss(theta: Tensor) -> Tensor:
        return logits(module, family, layout.placed(theta, values)).square().mean()

    def loss_of_sums(theta: Tensor) -> Tensor:
        return logits(sum_of_both, family, plain.unflatten(theta)).square().mean()

    found, expected = torch.func.grad(loss)(theta), torch.func.grad(loss_of_sums)(theta)
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-10)
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        rate = jvp(loss, (theta,), (direction,))[1]
    torch.testing.assert_close(rate, expected.sum(), rtol=1e-6, atol=1e-8)  # norms compute in float32


def test_the_base_weight_alone() -> None:
    module = adapted("Llama")
    layout = ParamLayout.attention(module, lora="base")
    assert layout.slots == ()
    assert all("lora" not in name for name in layout.names)
    assert torch.equal(layout.flatten(module.state_dict()), layout.flatten(layout.of(module)))


def test_only_what_is_trained_through_an_adapter() -> None:
    module = adapted("Llama")
    names = ParamLayout.attention(module, trainable_only=True).names
    assert len(names) == 4
    assert all(name.endswith(("q_proj.base_layer.weight+BA", "v_proj.base_layer.weight+BA")) for name in names)
    with pytest.raises(ValueError, match=r"every chosen parameter is frozen .*: base_model.*k_proj.*and 2 others"):
        ParamLayout.attention(module, lora="base", trainable_only=True)


def test_adapters_that_are_active_count_and_no_others() -> None:
    import peft

    module: Any = adapted("Llama")
    module.add_adapter("second", peft.LoraConfig(r=2, lora_alpha=7, use_rslora=True, target_modules=["q_proj"]))
    drawn(module.double())
    layouts = {}
    for active in (["default"], ["second"], ["default", "second"]):
        module.base_model.set_adapter(active)
        layout = ParamLayout.attention(module)
        expected = merged(module)
        of_sums = ParamLayout.attention(expected).flatten(expected.state_dict())
        torch.testing.assert_close(layout.flatten(module.state_dict()), of_sums, rtol=1e-14, atol=1e-14)
        layouts[len(active), active[0]] = layout
    assert len(set(layouts.values())) == 3
    with module.disable_adapter():
        assert ParamLayout.attention(module).slots == ()
    module.merge_adapter()
    assert ParamLayout.attention(module).slots == ()


@pytest.mark.parametrize("copied", ["self_attn", "k_proj"])
def test_of_what_is_trained_as_a_copy_the_copy_counts(copied: str) -> None:
    import peft

    config = peft.LoraConfig(target_modules=["gate_proj"], modules_to_save=[copied])
    module: Any = peft.get_peft_model(FAMILIES["Llama"].network(), config)
    layout = ParamLayout.attention(module, layers=1)
    assert len(layout.names) == 4
    assert not any("original_module" in name for name in layout.names)
    assert all(
        f"{copied}.modules_to_save.default." in n for n in ParamLayout.attention(module, trainable_only=True).names
    )
    with module.disable_adapter():
        assert any(f"{copied}.original_module." in name for name in ParamLayout.attention(module, layers=1).names)


def test_a_child_of_that_name_makes_no_wrapper() -> None:
    inside = nn.Linear(2, 2)
    assert unwrapped(nn.ModuleDict({"module": inside})) is inside
    both = nn.ModuleDict({"module": inside, "gate": nn.Linear(2, 2)})
    assert unwrapped(both) is both


class Multihead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(8, 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda peft: peft.LoraConfig(target_modules=["q_proj"], use_dora=True), r"q_proj.* a variant of LoRA .*base"),
        (lambda peft: peft.IA3Config(target_modules=["q_proj"], feedforward_modules=[]), r"q_proj.* is Linear, not W"),
        (lambda peft: peft.LoHaConfig(target_modules=["q_proj"]), r"q_proj.*, not W \+ s·BA; give lora=\"base\""),
    ],
)
def test_adapters_that_add_no_product_are_refused(make: Callable[[Any], Any], message: str) -> None:
    import peft

    module: Any = peft.get_peft_model(FAMILIES["Llama"].network(), make(peft))
    with pytest.raises(ValueError, match=message):
        ParamLayout.attention(module)
    assert len(ParamLayout.attention(module, lora="base").names) == 8


def test_an_adapter_that_hides_the_weight_from_the_gradient_is_refused() -> None:
    import peft

    module: Any = peft.get_peft_model(Multihead(), peft.LoraConfig(target_modules=["attn"]))
    with pytest.raises(ValueError, match=r"attn\.base_layer\.in_proj_weight.*cuts the weight off from the gradient"):
        ParamLayout.attention(module)


def compiled_inside(module: Timm) -> nn.Module:
    block: Any = module.blocks[1]
    block.attn = torch.compile(block.attn)
    return module


def parallel_and_compiled(module: Timm) -> nn.Module:
    compiled: Any = torch.compile(module)
    return nn.DataParallel(compiled)


@pytest.mark.parametrize(
    ("wrap", "prefix"),
    [
        (torch.compile, "_orig_mod."),
        (nn.DataParallel, "module."),
        (parallel_and_compiled, "module._orig_mod."),
        (compiled_inside, ""),
        (lambda module: nn.Sequential(module, nn.Linear(16, 2)), "0."),
    ],
)
def test_wrappers_are_seen_through(wrap: Callable[[nn.Module], nn.Module], prefix: str) -> None:
    inside, wrapped = ParamLayout.attention(Timm(), layers=1, heads=2), wrap(Timm())
    layout = ParamLayout.attention(wrapped, layers=1, heads=2)
    assert [name.replace("attn._orig_mod", "attn") for name in layout.names] == [prefix + name for name in inside.names]
    assert layout.flatten(wrapped.state_dict()).shape == (inside.size,)
