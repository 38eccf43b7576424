"""Rows that are taken twice at the same parameters, which tells fixed batches from those that differ at each pass.

Shapes: rows are ``[params]``. Units: those of the rows.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from sedlib.base.errors import UserError

SAME = 1e-2
"""Relative distance up to which two rows are one: atomic sums of 16 bits move a row by less, other examples by more."""


def require_same_rows(
    first: Mapping[str, Float[Tensor, " params"]], second: Mapping[str, Float[Tensor, " params"]], name: str
) -> None:
    """Refuse rows that differ; ``name`` is the argument that they come from.

    Raises
    ------
    UserError
        They do: losses draw random numbers, or batches are shuffled, drawn or changed.

    Examples
    --------
    >>> require_same_rows({"next": torch.tensor([3.0, 4.0])}, {"next": torch.tensor([3.0, 4.5])}, "batches")
    Traceback (most recent call last):
    sedlib.base.errors.UserError: batches: 'next' differs by 0.1 of its norm between two passes over them ...
    """
    for stream in sorted(first.keys() & second.keys()):
        there, now = first[stream].double(), second[stream].double()
        if not there.isfinite().all() or not now.isfinite().all():
            continue  # left out by whoever takes them
        off, norm = torch.linalg.vector_norm(now - there), torch.linalg.vector_norm(there)
        if off > SAME * norm:
            raise UserError(
                f"{name}: {stream!r} differs by {float(off / norm):.2g} of its norm between two passes over them at "
                "the same parameters: give a list of fixed batches (list(loader) makes one), and let losses draw no "
                "random numbers and change no batch"
            )
