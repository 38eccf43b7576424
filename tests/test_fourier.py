"""Planted frequencies are found, and the logarithm is one."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sedlib.fourier import characters, discrete_logarithms, explained, frequencies, pair_functions, part_in

PRIMES = [2, 3, 5, 7, 11, 13, 97]


@pytest.mark.parametrize("p", PRIMES)
def test_the_discrete_logarithm_by_its_definition(p: int) -> None:
    logarithms = discrete_logarithms(p).tolist()
    roots = [g for g in range(1, p) if len({pow(g, e, p) for e in range(p - 1)}) == p - 1]
    assert logarithms[0] == -1
    assert sorted(logarithms[1:]) == list(range(p - 1))
    assert all(pow(roots[0], logarithms[x], p) == x for x in range(1, p))


@given(st.sampled_from([5, 7, 97]), st.data())
def test_the_logarithm_turns_products_into_sums(p: int, data: st.DataObject) -> None:
    a, b = (data.draw(st.integers(1, p - 1)) for _ in range(2))
    logarithms = discrete_logarithms(p).tolist()
    assert logarithms[a * b % p] == (logarithms[a] + logarithms[b]) % (p - 1)


@pytest.mark.parametrize("n", [4, 9, 96])
def test_there_is_no_logarithm_modulo_a_composite(n: int) -> None:
    with pytest.raises(ValueError, match=f"modulo {n} needs a prime"):
        discrete_logarithms(n)


def some_pairs(n: int, count: int) -> torch.Tensor:
    return torch.randint(n, (count, 2), generator=torch.Generator().manual_seed(0))


PAIRS = some_pairs(97, 300)
FUNCTIONS = [pair_functions(PAIRS, 97, frequency) for frequency in frequencies(97)]


@given(st.integers(1, 48), st.sampled_from([1, -1]), st.floats(0, 6))
def test_a_planted_frequency_is_recovered(frequency: int, sign: int, phase: float) -> None:
    angle = 2 * math.pi * frequency * (PAIRS[:, 0] + sign * PAIRS[:, 1]) / 97
    planted = (3 + 2 * torch.cos(angle + phase))[:, None]
    shares = [float(explained(planted, functions)) for functions in FUNCTIONS]
    assert max(range(48), key=shares.__getitem__) + 1 == frequency
    assert shares[frequency - 1] == pytest.approx(1, abs=1e-5)


def test_noise_beside_a_planted_frequency_lowers_its_share_by_as_much() -> None:
    generator = torch.Generator().manual_seed(1)
    pairs = some_pairs(97, 4000)
    signal = math.sqrt(2) * torch.cos(2 * math.pi * 5 * (pairs[:, 0] + pairs[:, 1]) / 97)
    noisy = (signal + torch.randn(4000, generator=generator))[:, None]
    assert float(explained(noisy, pair_functions(pairs, 97, 5))) == pytest.approx(0.5, abs=0.05)
    assert float(explained(noisy, pair_functions(pairs, 97, 7))) < 0.01


def test_the_highest_frequency_of_an_even_group_has_no_sine() -> None:
    functions = characters(torch.arange(96), 96, 48)
    assert functions[:, 1].abs().max() < 1e-12
    values = torch.tensor([1.0, -1.0]).repeat(48)[:, None]
    assert float(explained(values, functions)) == pytest.approx(1)


def test_a_part_and_its_rest_are_orthogonal_and_a_full_basis_explains_all() -> None:
    generator = torch.Generator().manual_seed(2)
    elements = torch.arange(11)
    values = torch.randn(11, 3, generator=generator, dtype=torch.float64)
    everything = torch.cat([characters(elements, 11, f) for f in frequencies(11)], dim=1)
    torch.testing.assert_close(part_in(values, everything), values - values.mean(0))
    some = part_in(values, everything[:, :4])
    rest = values - values.mean(0) - some
    assert (some.T @ rest).abs().max() < 1e-12


def test_a_constant_has_no_share() -> None:
    with pytest.raises(ValueError, match="constant"):
        explained(torch.ones(5, 1), characters(torch.arange(5), 5, 1))
