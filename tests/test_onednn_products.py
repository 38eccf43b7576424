"""Products by oneDNN against float64, what it does not take, and PyTorch's own kernels after it."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sedlib.base.machine import hardware
from sedlib.base.machine import onednn_products as module
from sedlib.base.machine import processor as machine
from sedlib.base.machine.onednn_products import is_faster, onednn_products


@pytest.fixture
def widened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Shapes of what oneDNN multiplied; the rules of the processor and of small products are off."""
    if not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        pytest.skip("PyTorch was built without oneDNN")
    taken = []
    linear = module._linear

    def counted(first: Tensor, second: Tensor, bias: Tensor | None) -> Tensor:
        taken.append((*first.shape, second.shape[1]))
        return linear(first, second, bias)

    hardware.FOR_GOOD.close()  # of another test, which configured a stage
    monkeypatch.setattr(module, "_linear", counted)
    monkeypatch.setattr(module, "is_faster", lambda: True)
    monkeypatch.setattr(module, "FEWEST", 1)
    monkeypatch.setattr(module, "THINNEST", 1)
    return taken


def test_a_network_and_its_derivatives_are_multiplied_by_onednn(widened: list[tuple[int, ...]]) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(32, 48), nn.GELU(), nn.Linear(48, 5, bias=False))
    inputs = torch.randn(7, 32)

    def gradient(network: nn.Module, inputs: Tensor) -> Tensor:
        return torch.func.grad(lambda inputs: network(inputs).square().sum())(inputs)

    expected = gradient(network.double(), inputs.double())
    with onednn_products():
        found = gradient(network.float(), inputs)
    assert sorted(widened) == [(7, 5, 48), (7, 32, 48), (7, 48, 5), (7, 48, 32)]
    assert torch.allclose(found.double(), expected, rtol=1e-5, atol=1e-6)
    with onednn_products():
        negated = torch._neg_view(inputs) @ inputs.T
    assert torch.allclose(negated, -(inputs @ inputs.T), atol=1e-5)  # a view that is negated on reading
    assert widened.pop() == (7, 32, 7)
    gradient(network, inputs)
    assert len(widened) == 4  # PyTorch's own kernels are back


@pytest.mark.parametrize(
    "product",
    [
        lambda a: a.double() @ a.double().T,
        lambda a: (a + 1j * a) @ a.T.to(torch.cfloat),
        lambda a: a[:0] @ a.T,
        lambda a: a[:, :0] @ a[:, :0].T,
        lambda a: torch.addmm(torch.ones(3, 3), a, a.T),
        lambda a: torch.addmm(torch.ones(3), a, a.T, beta=2, alpha=3),
        lambda a: F.linear(a.half(), a.half()),
        lambda a: a @ torch.zeros(()).expand(4, 2),
        lambda a: a @ torch.ones(2).expand(4, 2),
        lambda a: a @ torch.ones(4, 1).expand(4, 2),
        lambda a: a.T @ a[:, 1:3],
        lambda a: a.T @ a[:, ::2],
        lambda a: torch.addmm(torch.ones(2), a.T, a[:, 1:3]),
    ],
)
def test_what_onednn_does_not_take_is_multiplied_as_before(
    product: Callable[[Tensor], Tensor], widened: list[tuple[int, ...]]
) -> None:
    a = torch.arange(12.0).reshape(3, 4)
    with onednn_products():
        found = product(a)
    assert torch.equal(found, product(a))
    assert not widened


def test_a_derivative_along_a_direction_leaves_no_product_to_the_reference_kernel(
    widened: list[tuple[int, ...]],
) -> None:
    weights, inputs = torch.randn(5, 4), torch.randn(6, 4)
    with onednn_products():
        moved = torch.func.jvp(lambda inputs: F.linear(inputs, weights), (inputs,), (torch.ones(6, 4),))[1]
    assert torch.allclose(moved, weights.sum(1).expand(6, 5), atol=1e-5)
    assert widened == [(6, 4, 5), (6, 4, 5)]  # a third one is with the expanded zero that stands for the weights' own


def test_small_products_stay_pytorchs_own(widened: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FEWEST", 6 * 4 * 5)
    a, b = torch.ones(6, 4), torch.ones(4, 5)
    with onednn_products():
        a[:5] @ b, a[:, :3] @ b[:3], a @ b.T[:4].T, a @ b
        monkeypatch.setattr(module, "THINNEST", 4)
        wide = torch.ones(40, 40)
        wide[:3] @ wide, wide[:, :3] @ wide[:3], wide @ torch.ones(40, 3)
    assert widened == [(6, 4, 5)]


def test_kernels_come_back_after_an_error(widened: list[tuple[int, ...]]) -> None:
    with pytest.raises(RuntimeError, match="cannot be multiplied"), onednn_products():
        torch.ones(2, 2) @ torch.ones(3, 2)
    torch.ones(2, 2) @ torch.ones(2, 2)
    assert not widened


@pytest.mark.parametrize(
    ("capability", "vendor", "faster"),
    [("AVX512", "AuthenticAMD", True), ("AVX512", "GenuineIntel", False), ("AVX2", "AuthenticAMD", False)],
)
def test_wide_processors_that_are_not_intels_multiply_by_onednn(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capability: str, vendor: str, faster: bool
) -> None:
    (tmp_path / "cpuinfo").write_text(f"vendor_id\t: {vendor}\n")
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: True)
    assert is_faster() == (faster and torch.backends.mkldnn.is_available())
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "none")
    assert not is_faster()
