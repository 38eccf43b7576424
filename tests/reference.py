"""Restatements that tests alone need; those that ``sedlib selftest`` compares with too are in sedlib/selftest."""

import hashlib
from collections.abc import Mapping

from torch import Tensor, nn


def projected(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The part of a state dict under ``prefix``, without it."""
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def digest(module: nn.Module) -> str:
    """Hash of all that a measurement must leave: values, identities, gradients and modes of every tensor and module."""
    parts = [repr([(name, part.training) for name, part in module.named_modules(remove_duplicate=False)])]
    parameters, buffers = module.named_parameters(remove_duplicate=False), module.named_buffers(remove_duplicate=False)
    for name, tensor in (*parameters, *buffers):
        facts = (name, id(tensor), type(tensor).__name__, tensor.requires_grad, tensor.dtype, tensor.grad is None)
        parts += [repr(facts), hashlib.sha256(tensor.detach().double().numpy().tobytes()).hexdigest()]
    return hashlib.sha256("".join(parts).encode()).hexdigest()
