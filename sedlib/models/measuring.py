"""The state in which a module is measured: eval, full precision, differentiable; and back to how it was.

Dropout, batch statistics and autocast change what a network computes: a coupling ratio by factors of 2 to 1,000. So
does a weight that a module keeps from one call for the next.
"""

import functools
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.backends import mha

from sedlib.base.errors import listed
from sedlib.models.full_precision import full_precision

OWN = frozenset(vars(nn.Module()))
"""Attributes that every module has."""
CACHE = type(functools.cache(len))
Ways = dict[tuple[int, str], Callable[[dict[str, Any], str], None]]
"""By the id of a submodule and the name of an attribute, how to change it for the time of a measurement."""


@contextmanager
def measuring(module: nn.Module, ways: Ways | None = None) -> Iterator[None]:
    """``module`` in eval inside; on leaving, also by an error, each submodule gets its mode and attributes back.

    What its methods cached (functools.cache, cached_property) is computed anew inside: it may be made of weights.
    ``ways`` change further attributes.
    PyTorch's fused encoder layer, which it takes in eval, is off: it has no derivative in forward mode. So is
    TorchScript's optimisation after a first run: the second run would differ from the first.

    Raises
    ------
    ValueError
        What ran inside left a submodule in train mode.

    Examples
    --------
    >>> dropout = nn.Dropout(0.5)
    >>> with measuring(dropout):
    ...     dropout.kept = dropout(torch.ones(3))
    ...     dropout.kept
    tensor([1., 1., 1.])
    >>> dropout.training, hasattr(dropout, "kept")
    (True, False)
    """
    fused, kept = mha.get_fastpath_enabled(), [_Kept.of(submodule) for submodule in module.modules()]
    by_id = {id(submodule): vars(submodule) for submodule in module.modules()} if ways else {}
    try:
        for submodule in kept:
            submodule.prepare()
        for (owner, name), change in (ways or {}).items():
            change(by_id[owner], name)
        mha.set_fastpath_enabled(False)
        with ExitStack() as stack:
            stack.enter_context(full_precision())
            if any(isinstance(submodule, torch.jit.ScriptModule) for submodule in module.modules()):
                stack.enter_context(torch.jit.optimized_execution(False))  # type: ignore[attr-defined]
            yield
        _require_eval(module)
    finally:
        mha.set_fastpath_enabled(fused)
        for submodule in kept:
            submodule.put_back()


def _require_eval(module: nn.Module) -> None:
    if trained := [name or type(part).__name__ for name, part in module.named_modules() if part.training]:
        raise ValueError(
            f"the function put {listed(trained)} in train mode, in which dropout and batch statistics change what is "
            "measured: leave the module in eval mode, as it was given"
        )


@dataclass(frozen=True)
class _Kept:
    """A submodule's attributes as they were."""

    caches: "_Caches"
    attributes: dict[str, Any]
    before: dict[str, Any]
    collections: list[tuple[Any, Any]]
    """Lists and dicts among the attributes, and a copy of each."""

    @classmethod
    def of(cls, submodule: nn.Module) -> "_Kept":
        attributes = vars(submodule)
        added = [value for name, value in attributes.items() if name not in OWN]
        collections = [(value, value.copy()) for value in added if isinstance(value, (list, dict))]
        kind: Any = type(submodule)
        return cls(_Caches.of(kind), attributes, attributes.copy(), collections)

    def prepare(self) -> None:
        self.attributes["training"] = False
        for name in self.caches.properties & self.attributes.keys():
            del self.attributes[name]
        self.caches.clear()

    def put_back(self) -> None:
        self.attributes.clear()
        self.attributes.update(self.before)
        for collection, content in self.collections:
            collection.clear()
            collection.update(content) if isinstance(collection, MutableMapping) else collection.extend(content)
        self.caches.clear()


@dataclass(frozen=True)
class _Caches:
    """What a class of modules caches by functools."""

    methods: tuple[Any, ...]
    properties: frozenset[str]

    @staticmethod
    @functools.cache
    def of(kind: Any) -> "_Caches":
        members = [member for parent in kind.__mro__ for member in vars(parent).items()]
        return _Caches(
            tuple(value for _, value in members if isinstance(value, CACHE)),
            frozenset(name for name, value in members if isinstance(value, functools.cached_property)),
        )

    def clear(self) -> None:
        for method in self.methods:
            method.cache_clear()
