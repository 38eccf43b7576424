import pytest
import torch

from sedlib.base.randomness import generator
from sedlib.projection import random_basis
from sedlib.sampling import random_directions


@pytest.mark.parametrize(("count", "size"), [(5, 16), (20, 131_072)])
def test_directions_are_those_of_one_draw_where_the_size_is_a_multiple_of_sixteen(count: int, size: int) -> None:
    drawn = torch.randn(count, size, generator=generator(0, "test"))
    expected = drawn / drawn.norm(dim=1, keepdim=True)
    assert torch.equal(torch.stack(tuple(random_directions(count, size, generator(0, "test")))), expected)


@pytest.mark.parametrize("size", [1, 7, 40, 131_073])
def test_a_direction_is_the_same_however_often_and_in_whatever_order_it_is_asked_for(size: int) -> None:
    directions = random_directions(6, size, generator(0, "test"))
    fourth = directions[3].clone()
    every = list(directions)
    assert len(directions) == len(every) == 6
    assert torch.equal(directions[-3], fourth)
    assert torch.equal(every[3], fourth)
    assert all(torch.equal(*pair) for pair in zip(directions[1:4], every[1:4], strict=True))
    assert all(torch.equal(*pair) for pair in zip(reversed(directions), reversed(every), strict=True))
    with pytest.raises(IndexError):
        directions[6]


def test_what_is_changed_in_a_direction_is_not_changed_in_the_next_one() -> None:
    directions = random_directions(2, 40, generator(0, "test"))
    directions[0].zero_()
    assert float(directions[0].norm()) == pytest.approx(1, abs=1e-6)


def test_the_generator_goes_on_and_repeats_nothing() -> None:
    random = generator(0, "test")
    first, second = random_directions(4, 4_000, random), random_directions(4, 4_000, random)
    drawn = torch.stack([*first, *second, *random_basis(2, 4_000, random)])
    assert (drawn @ drawn.T - torch.eye(10)).abs().max() < 0.1
    again = generator(0, "test")
    assert torch.equal(random_directions(4, 4_000, again)[2], first[2])
    assert torch.equal(random_directions(4, 4_000, again)[2], second[2])


def test_long_directions_are_of_length_one() -> None:
    """A sum of so many float32 squares, one after another, would be off by 3e-6."""
    [direction] = random_directions(1, 2**21, generator(0, "test"))
    assert float(torch.linalg.vector_norm(direction, dtype=torch.float64)) == pytest.approx(1, abs=1e-7)
