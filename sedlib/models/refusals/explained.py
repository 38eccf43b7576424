"""Says of an error that PyTorch raises inside a network what it means for a measurement, and what to do."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from sedlib.base.errors import in_one_line, listed
from sedlib.models.refusals.cut_derivatives import sparse_embeddings

FORWARD = (
    r"forward AD with (?P<what>\S+)",
    "no derivative in forward mode of {what}, which the network uses: take gradient_basis of per_example_gradients in "
    "place of empirical_fisher",
)
REASONS = [
    (
        r"Batching rule not implemented for (?P<what>[\w.:]+)|calling (?P<torch>\.item\(\))|"
        r"data-dependent (?P<flow>control flow)",
        "PyTorch cannot take {what} over several examples at once, which the network uses (in a branch by a value, "
        "perhaps): let it compute without, or take sedlib.task_gradients of one example after the other",
    ),
    (
        r"index out of range in self",
        "a token id is not one of the embedding's: ids go from 0 to num_embeddings - 1; check the inputs and padding",
    ),
    (
        r"Guard failed",
        "the network was exported (torch.export) for inputs of one size, and a part of the probes or examples is of "
        "another: measure the network before it is exported, or export it with dynamic shapes",
    ),
    (
        r"randomness error mode",
        "the network draws random numbers (dropout) for each example: measure it in eval, as sedlib.Checkpoint does",
    ),
    (
        r"torch\.utils\.checkpoint|saved.tensors? hooks",
        "the network computes activations again in the backward pass (activation checkpointing), through which a "
        "centroid's derivatives cannot pass: switch it off for the measurement "
        "(model.gradient_checkpointing_disable(), or call the layers themselves)",
    ),
    (
        r"mutate a captured Tensor|is a view and (its base|is being) .*in-?place|leaf Variable .* in-place",
        "the network, or the function of it, changes a tensor in place while it is evaluated (statistics of an "
        "observer, a cache, max_norm of an embedding, h itself): let it leave its tensors and inputs as they are",
    ),
    (
        r"same dtype|expected scalar type|dtype of .* must match|have different dtypes?|scalar types",
        "tensors of different dtypes meet in the network: the slots are {dtype}; give inputs and targets in the "
        "network's own dtype (inputs.to({dtype}), token ids as torch.int64), or cast the whole module",
    ),
    (
        r"on the same device|not on the expected device",
        "tensors of different devices meet in the network: the slots are on {device}; move inputs, targets and what "
        "the function closes over there with .to",
    ),
]
"""What is found in PyTorch's text, and what is said of it."""


@contextmanager
def explained(theta: Tensor, module: nn.Module | None = None) -> Iterator[None]:
    """Inside, with θ in the slots, a known error of PyTorch's is said in plain words; another error passes as it is.

    Where the module is known, which jvp differentiates, what forward mode cannot do is left to jvp to say.

    Raises
    ------
    ValueError
        PyTorch raised a known one inside.

    Examples
    --------
    >>> import torch
    >>> with explained(torch.ones(2)):
    ...     torch.ones(2, 2) @ torch.ones(2, 2).double()
    Traceback (most recent call last):
    ValueError: tensors of different dtypes meet in the network: the slots are torch.float32; ...
    """
    try:
        yield
    except (RuntimeError, AssertionError, IndexError) as error:
        sparse = sparse_embeddings(module) if module is not None and "sparse" in str(error).lower() else []
        if sparse:
            raise ValueError(
                f"expected dense gradients, got sparse ones of {listed(sparse)} (sparse=True): set sparse = False "
                "there for the measurement, which changes no value, or leave the weight out of the slots"
            ) from error
        for pattern, text in REASONS if module is not None else [FORWARD, *REASONS]:
            if found := re.search(pattern, str(error)):
                what = next((group for group in found.groups() if group), "") if found.groups() else ""
                said = in_one_line(str(error).partition("\n")[0][:120])
                shown = text.format(what=what, dtype=theta.dtype, device=theta.device)
                raise ValueError(f"{shown} (PyTorch: {said})") from error
        raise
