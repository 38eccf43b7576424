"""Batches of any usual kind keep their kind when their targets are permuted, and the batch that is given stays."""

from collections import OrderedDict, UserDict, namedtuple
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor
from transformers import BatchEncoding

from sedlib.base.errors import UserError
from sedlib.base.randomness import generator
from sedlib.own.taking.permuted import permuted

X, Y = torch.arange(9.0), torch.arange(9)


class Pair(NamedTuple):
    x: Tensor
    y: Tensor


class TargetsFirst(NamedTuple):
    labels: Tensor
    mask: Tensor


Unnamed = namedtuple("Unnamed", ["first", "last"])


@dataclass(frozen=True, slots=True)
class Frozen:
    x: Tensor
    targets: Tensor


class Shared(Mapping[str, Tensor]):
    """A mapping whose copy has the items of the mapping itself."""

    def __init__(self, items: dict[str, Tensor]) -> None:
        self.items_of_it = items

    def __getitem__(self, name: str) -> Tensor:
        return self.items_of_it[name]

    def __setitem__(self, name: str, value: Tensor) -> None:
        self.items_of_it[name] = value

    def __iter__(self) -> Iterator[str]:
        return iter(self.items_of_it)

    def __len__(self) -> int:
        return len(self.items_of_it)


def key(name: str) -> Callable[[Any], Tensor]:
    return lambda batch: batch[name]


def attribute(name: str) -> Callable[[Any], Tensor]:
    return lambda batch: getattr(batch, name)


KEPT: list[tuple[Any, Callable[[Any], Tensor], Callable[[Any], Tensor]]] = [
    ((X, Y), key(0), key(1)),  # type: ignore[arg-type]
    ([X, Y], key(0), key(1)),  # type: ignore[arg-type]
    (Pair(X, Y), attribute("x"), attribute("y")),
    (TargetsFirst(Y, X), attribute("mask"), attribute("labels")),
    (Unnamed(X, Y), attribute("first"), attribute("last")),
    (Frozen(X, Y), attribute("x"), attribute("targets")),
    ({"x": X, "labels": Y}, key("x"), key("labels")),
    (OrderedDict(x=X, target=Y), key("x"), key("target")),
    (UserDict({"x": X, "label": Y}), key("x"), key("label")),
    (BatchEncoding({"input_ids": X, "labels": Y}), attribute("input_ids"), attribute("labels")),
]


@pytest.mark.parametrize(("batch", "inputs", "targets"), KEPT, ids=[type(batch).__name__ for batch, *_ in KEPT])
def test_a_batch_keeps_its_kind(batch: Any, inputs: Callable[..., Tensor], targets: Callable[..., Tensor]) -> None:
    found = permuted(batch, generator(0, "test"))
    assert type(found) is type(batch)
    assert inputs(found) is X
    assert not torch.equal(targets(found), Y)
    assert sorted(targets(found).tolist()) == list(range(9))
    assert targets(batch) is Y


@pytest.mark.parametrize("batch", [MappingProxyType({"x": X, "labels": Y}), Shared({"x": X, "labels": Y})])
def test_a_mapping_that_cannot_be_copied_becomes_a_dictionary(batch: Mapping[str, Tensor]) -> None:
    found = permuted(batch, generator(0, "test"))
    assert type(found) is dict
    assert found["x"] is X
    assert not torch.equal(found["labels"], Y)
    assert batch["labels"] is Y


@dataclass
class Counted:
    labels: Tensor
    count: int = field(init=False, default=0)


@dataclass
class Computed:
    labels: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.labels = Y


@pytest.mark.parametrize(
    ("batch", "name"),
    [(torch.arange(9), "Tensor"), ({"x": X}, "dict"), (Computed(), "Computed"), (Pair, "type"), ((X, 5), "tuple")],
)
def test_a_batch_without_targets_is_refused(batch: Any, name: str) -> None:
    with pytest.raises(UserError, match=f"got {name}; give permute=, a function .* or permutations=0"):
        permuted(batch, generator(0, "test"))


def test_fields_that_a_constructor_does_not_set_are_no_hindrance() -> None:
    assert sorted(permuted(Counted(Y), generator(0, "test")).labels.tolist()) == list(range(9))


def test_few_targets_are_never_left_in_their_order() -> None:
    draws = [permuted((torch.arange(2), torch.arange(2)), generator(0, str(number)))[1] for number in range(20)]
    assert all(draw.tolist() == [1, 0] for draw in draws)
