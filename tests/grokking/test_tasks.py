import pytest
import torch

from sedlib.base.errors import UserError
from sedlib.base.randomness import generator
from sedlib.grokking.setup.domain import operands
from sedlib.grokking.setup.operations import OPERATIONS
from sedlib.grokking.setup.pairs import all_pairs, answers, split
from sedlib.grokking.study import Grokking
from tests.grokking.test_training import experiment


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


def test_drawn_examples_differ_and_are_limited() -> None:
    everything = Grokking(experiment()).examples("all")
    drawn = everything.drawn(36, generator(0, "probes"))
    assert sorted(drawn.inputs.tolist()) == everything.inputs.tolist()
    assert drawn.inputs.tolist() != everything.inputs.tolist()
    assert torch.equal(drawn.targets, answers(["add", "mul"], drawn.inputs, 7))
    with pytest.raises(UserError, match="cannot draw 37 different examples from 36; choose a smaller count"):
        everything.drawn(37, generator(0, "probes"))


def test_a_run_has_its_split_as_pools_of_examples() -> None:
    study = Grokking(experiment())
    pools = {pool: study.examples(pool) for pool in ("train", "test", "all")}
    assert pools["train"].inputs.tolist() == split(all_pairs(["add", "mul"], 7), 0.5, generator(1, "split"))[0].tolist()
    assert sorted(pools["train"].inputs.tolist() + pools["test"].inputs.tolist()) == pools["all"].inputs.tolist()
    for examples in pools.values():
        assert torch.equal(examples.targets, answers(["add", "mul"], examples.inputs, 7))
