"""On long vectors no routine takes more than three of them beyond its result, and some take none."""

from collections.abc import Callable

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from sedlib import bases, coupling, curvature, fisher, products, projection, sampling
from sedlib.base.randomness import generator

SIZE, BLOCKS = 400_000, 10 * 2**16


@pytest.fixture(autouse=True)
def short_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sedlib.base.long_rows.long_sums.BLOCK_BYTES", 2**16)
    for module in ("base.long_rows.long_sums", "projection", "products", "sampling", "curvature"):
        monkeypatch.setattr(f"sedlib.{module}.SUMMED", 2**12)


def peak(call: Callable[[], object]) -> int:
    """The most bytes of tensors that a call holds at a time."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        call()
    events = [event for event in profiled.profiler.kineto_results.events() if event.name() == "[memory]"]
    held, most = 0, 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    return most


def rows(count: int) -> torch.Tensor:
    return torch.randn(count, SIZE, generator=generator(0, "memory"))


def history() -> projection.RollingHistory:
    found = projection.RollingHistory(4, SIZE)
    for row in rows(4):
        found.append(row)
    return found


ROWS = rows(6)
BASES = bases.rolling_bases(products.gram_band(ROWS, 4), 4, 3)
FIRST, SECOND = (projection.random_basis(3, SIZE, generator(seed, "memory")) for seed in range(2))
HISTORY, DIRECTION = history(), sampling.random_directions(1, SIZE, generator(0, "memory"))[0]
RESPONSE = coupling.central_difference(lambda theta: theta[None, None, :5], DIRECTION, 0.05)
CASES: dict[str, tuple[Callable[[], object], float, float]] = {
    "gram": (lambda: products.gram(ROWS), 0, 0),
    "gram_band": (lambda: products.gram_band(ROWS, 4), 0, 0),
    "directions": (lambda: bases.directions(ROWS, BASES, 1), 3, 0),
    "random_directions": (lambda: sampling.random_directions(20, SIZE, generator(0, "r"))[2], 1, 0),
    "gradient_basis": (lambda: fisher.gradient_basis(ROWS, 3), 3, 0),
    "orthonormal": (lambda: projection.orthonormal(ROWS[:3]), 3, 0),
    "random_basis": (lambda: projection.random_basis(3, SIZE, generator(0, "r")), 3, 0),
    "RollingHistory.append": (lambda: HISTORY.append(DIRECTION), 0, 0),
    "RollingHistory.basis": (lambda: HISTORY.basis(3), 3, 0),
    "onto_basis": (lambda: projection.onto_basis(FIRST)(DIRECTION), 1, 0),
    "removing": (lambda: projection.removing(projection.onto_basis(FIRST))(DIRECTION), 1, 1),
    "overlap": (lambda: projection.overlap(FIRST, SECOND), 0, 0),
    "principal_angles": (lambda: projection.principal_angles(FIRST, SECOND), 0, 0),
    "decompose": (lambda: curvature.decompose(ROWS[:2], FIRST), 0, 0),
    "alignment": (lambda: curvature.alignment(DIRECTION, ROWS[:2]), 0, 0),
    "central_difference": (lambda: RESPONSE(DIRECTION), 0, 3),
}
"""Calls, the vectors of their results, and those beyond."""


@pytest.mark.parametrize("name", CASES)
def test_a_routine_holds_its_result_and_few_vectors_more(name: str) -> None:
    call, result, beyond = CASES[name]
    assert peak(call) <= 4 * SIZE * (result + beyond) + BLOCKS
