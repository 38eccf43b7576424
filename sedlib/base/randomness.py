"""One seeded generator for every random choice, by name."""

import hashlib

import torch

from sedlib.base.border.checked import checked


@checked(seed="whole numbers alone give the same stream everywhere")
def generator(seed: int, name: str) -> torch.Generator:
    """CPU generator of the random choice called ``name``.

    Its stream depends on the seed and the name alone: not on the device, and not on which other choices
    are made, so that adding one never shifts another.

    Raises
    ------
    ValueError
        The seed is no whole number, or the name no text.

    Examples
    --------
    >>> a, b = generator(0, "probes"), generator(0, "probes")
    >>> bool((torch.rand(3, generator=a) == torch.rand(3, generator=b)).all())
    True
    """
    digest = hashlib.sha256(f"{name}/{seed}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8]) >> 1)
