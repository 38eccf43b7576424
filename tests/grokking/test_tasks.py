import pytest
import torch

from sedlib.base.randomness import generator
from sedlib.grokking.setup.domain import operands
from sedlib.grokking.setup.operations import OPERATIONS
from sedlib.grokking.setup.pairs import all_pairs, answers, draw, split


@pytest.mark.parametrize("op", OPERATIONS)
def test_answers_by_arithmetic_of_whole_numbers(op: str) -> None:
    by_hand = {
        "add": lambda a, b: (a + b) % 7,
        "sub": lambda a, b: (a - b) % 7,
        "mul": lambda a, b: (a * b) % 7,
        "sq": lambda a, b: (a * a + b * b) % 7,
        "quad": lambda a, b: (a**2 + a * b + b**2) % 7,
        "cubic": lambda a, b: (a**3 + a * b) % 7,
    }[op]
    pairs = all_pairs([op], 7)
    assert answers([op], pairs, 7)[0].tolist() == [by_hand(a, b) for a, b in pairs.tolist()]


def test_zero_is_left_out_where_mul_is_asked() -> None:
    assert len(all_pairs(["add"], 97)) == 97**2
    assert len(all_pairs(["mul"], 97)) == len(all_pairs(["add", "mul"], 97)) == 96**2
    assert operands(["sq", "mul"], 5) == range(1, 5)
    assert len({tuple(pair) for pair in all_pairs(["sub"], 11).tolist()}) == 121


def test_split_is_a_shuffled_partition() -> None:
    pairs = all_pairs(["add"], 9)
    train, test = split(pairs, 0.5, generator(0, "split"))
    assert len(train) == 40
    assert sorted(train.tolist() + test.tolist()) == pairs.tolist()
    assert train.tolist() != pairs[:40].tolist()
    assert torch.equal(train, split(pairs, 0.5, generator(0, "split"))[0])
    assert not torch.equal(train, split(pairs, 0.5, generator(1, "split"))[0])


def test_drawn_pairs_differ_and_are_limited() -> None:
    pairs = all_pairs(["add"], 5)
    assert len({tuple(pair) for pair in draw(pairs, 25, generator(0, "probes")).tolist()}) == 25
    with pytest.raises(ValueError, match="cannot draw 26 different pairs from 25"):
        draw(pairs, 26, generator(0, "probes"))
