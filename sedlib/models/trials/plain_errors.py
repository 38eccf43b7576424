"""What PyTorch cannot do with a network, said of the argument that holds it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from sedlib.base.errors import in_one_line


@contextmanager
def told_plainly(name: str) -> Iterator[None]:
    """Say of what argument an error of PyTorch's is, and where such errors come from.

    Raises
    ------
    ValueError
        There was one.

    Examples
    --------
    >>> with told_plainly("scores"):
    ...     torch.ones(2, 3) @ torch.ones(2, 3)
    Traceback (most recent call last):
    ValueError: scores: PyTorch cannot compute or differentiate them: mat1 and mat2 shapes cannot be multiplied ...
    """
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        reason = in_one_line(str(error).strip().partition("\n")[0])
        raise ValueError(
            f"{name}: PyTorch cannot compute or differentiate them: {reason} — if that is not a shape or a dtype, look "
            "for gradient checkpointing (switch it off), backward hooks, an autograd.Function without setup_context, "
            "embeddings with sparse=True, and tensors that are changed in place"
        ) from error
