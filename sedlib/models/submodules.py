"""What a submodule gives while the module runs: recorded, or replaced by another tensor, by forward hooks.

A hook stays for one forward pass. It works under torch.func's functional_call, vjp and jvp. Tensors are copied on their
way in and out, because what a network computes in place next (``ReLU(inplace=True)``, ``h += positions``) would change
them. Compiled modules run uncompiled: compiled code may have been made without the hook.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from sedlib.base.errors import quoted
from sedlib.models.submodule_names import submodule

Inputs = Tensor | Mapping[str, Any]
"""What a module is called with: one tensor, or arguments by name."""


def tensor_of(module: nn.Module, inputs: Inputs, embed: str) -> Tensor:
    """The tensor that the submodule ``embed`` gives for the inputs.

    Raises
    ------
    ValueError
        There is no submodule of the name, it does not run exactly once, or gives no tensor or several.

    Examples
    --------
    >>> module = nn.Sequential(nn.Embedding.from_pretrained(torch.eye(2)), nn.ReLU(inplace=True))
    >>> tensor_of(module, torch.tensor([1, 0]), "0")
    tensor([[0., 1.],
            [1., 0.]])
    """
    with _uncompiled(module), _recorded(module, embed, "embed") as seen:
        _called(module, inputs)
    return _only_tensor(seen[0], embed)


def output_of(
    module: nn.Module, inputs: Inputs, read: str | None, h: Tensor | None = None, embed: str | None = None
) -> Any:
    """What the submodule ``read``, or the module itself, gives for the inputs.

    ``h`` takes the place of what the submodule ``embed`` gives.

    Raises
    ------
    ValueError
        There is no submodule of a name, or it does not run exactly once; or the output to replace is not a single
        tensor of h's shape.

    Examples
    --------
    >>> double = nn.Linear(1, 1, bias=False)
    >>> _ = nn.init.constant_(double.weight, 2.0)
    >>> module, ones = nn.Sequential(double, nn.ReLU(inplace=True), nn.Flatten()), torch.ones(3, 1)
    >>> output_of(module, -ones, read="0").flatten().tolist()  # before ReLU
    [-2.0, -2.0, -2.0]
    >>> output_of(module, ones, read=None, h=5 * ones, embed="0").flatten().tolist()
    [5.0, 5.0, 5.0]
    """
    replaced = nullcontext() if h is None or embed is None else _replaced(module, embed, h)
    with _uncompiled(module), replaced:
        if read is None:
            return _called(module, inputs)
        with _recorded(module, read, "read") as seen:
            _called(module, inputs)
    return seen[0]


def _called(module: nn.Module, inputs: Inputs) -> Any:
    return module(**inputs) if isinstance(inputs, Mapping) else module(inputs)


def _uncompiled(module: nn.Module) -> AbstractContextManager[Any]:
    compiled = any("_orig_mod" in some._modules or some._compiled_call_impl for some in module.modules())
    return torch.compiler.set_stance("force_eager") if compiled else nullcontext()


@contextmanager
def _recorded(module: nn.Module, name: str, argument: str) -> Iterator[list[Any]]:
    seen: list[Any] = []
    with _hook(module, name, argument, lambda output: seen.append(pytree.tree_map_only(Tensor, Tensor.clone, output))):
        yield seen


@contextmanager
def _replaced(module: nn.Module, name: str, h: Tensor) -> Iterator[None]:
    with _hook(module, name, "embed", lambda output: _with(output, h.clone(), name)):
        yield


@contextmanager
def _hook(module: nn.Module, name: str, argument: str, hook: Callable[[Any], Any]) -> Iterator[None]:
    """``hook`` gets what the submodule gives, and may give something in its place; the submodule must run once."""
    calls = 0

    def counted(_: nn.Module, __: Any, output: Any) -> Any:
        nonlocal calls
        calls += 1
        return hook(output)

    handle = submodule(module, name, argument).register_forward_hook(counted)
    try:
        yield
    finally:
        handle.remove()
    if calls != 1:
        runs = f"runs {calls} times" if calls else "never runs (weights may be read without a call)"
        raise ValueError(
            f"{argument}: expected a submodule that runs once in a forward pass, but {quoted(name)} {runs}; name "
            "another, or give embed and scores as functions of the module"
        )


def _only_tensor(output: Any, name: str) -> Tensor:
    tensors = [leaf for leaf in pytree.tree_leaves(output) if isinstance(leaf, Tensor)]
    if len(tensors) != 1:
        raise ValueError(
            f"embed: expected a submodule that gives one tensor, but {quoted(name)} gives {len(tensors)} in "
            f"{type(output).__name__}; name another, or give embed and scores as functions of the module"
        )
    return tensors[0]


def _with(output: Any, h: Tensor, name: str) -> Any:
    """``output`` with h in place of its only tensor."""
    old = _only_tensor(output, name)
    if old.shape != h.shape:
        raise ValueError(f"h: expected shape {list(old.shape)}, as {quoted(name)} gives, got {list(h.shape)}")
    return pytree.tree_map(lambda leaf: h if leaf is old else leaf, output)
