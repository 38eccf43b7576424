"""Names that look like attention: a layout of attention slots lists those of them that it leaves out."""

import re

from sedlib.slots.adapters import unused
from sedlib.slots.registry import Registry

ALIKE = re.compile(
    r"attn|attention|qkv|query_key_value|^(query|key|value)(_(proj|lin|linear|layer))?$|^w?[qkv]$|^[qkv]_(proj|lin)$",
    re.IGNORECASE,
)
"""A part of a parameter's name, without its last, that says so."""


def look_alikes(registry: Registry) -> list[str]:
    """Matrices whose names look like attention; no biases, no gains of norms, nothing that PEFT added or replaced.

    Examples
    --------
    >>> from torch import nn
    >>> layer = nn.TransformerEncoderLayer(4, 2, 8)
    >>> look_alikes(Registry(layer))
    ['self_attn.in_proj_weight', 'self_attn.out_proj.weight']
    """
    added = unused(registry) + tuple(
        f"{name}.{child}." if name else f"{child}."
        for name, wrapper in registry.modules.items()
        if "base_layer" in wrapper._modules
        for child in wrapper._modules
        if child != "base_layer"
    )
    return [
        name
        for name, parameter in registry.parameters.items()
        if any(ALIKE.search(part) for part in name.split(".")[:-1])
        and "bias" not in name
        and not name.startswith(added)
        and "Norm" not in type(registry.modules[name.rpartition(".")[0]]).__name__
        and sum(length > 1 for length in parameter.shape) > 1
    ]
