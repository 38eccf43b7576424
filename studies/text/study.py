"""Text: a small decoder learns the next character of Python's documentation, and the one five places back."""

from pathlib import Path

import torch
from torch import Tensor, nn

from sedlib.base.randomness import generator
from sedlib.studies.definition.own_study import OwnStudy
from sedlib.studies.definition.small_decoder import SmallDecoder

TEXT = Path(__file__).with_name("text.txt").read_text().rstrip("\n")
CHARACTERS = sorted(set(TEXT))
BACK = 5
"""How many places the second task looks back."""
STRIDE = 4
"""Characters between the starts of two windows."""


class Study(OwnStudy):
    """The next character, and copying; ``labels: random`` in ``model`` makes a control that nothing can generalise."""

    tasks = ("next", "back")

    def build(self) -> nn.Module:
        """The decoder."""
        sizes = {key: value for key, value in self.model.items() if key != "labels"}
        return SmallDecoder(len(CHARACTERS), (len(CHARACTERS),) * 2, silent=BACK, **sizes)

    def data(self) -> tuple[Tensor, Tensor]:
        """Windows of the text, and both answers at each of their places."""
        codes = torch.tensor([CHARACTERS.index(character) for character in TEXT])
        windows = codes.unfold(0, self.model["context"] + 1, STRIDE)
        targets = torch.stack([windows[:, BACK + 1 :], windows[:, : -BACK - 1]])
        if self.model["labels"] == "random":
            drawn = generator(self.settings.seed, "labels")
            targets = torch.randint(len(CHARACTERS), targets.shape, generator=drawn)
        return windows[:, :-1].contiguous(), targets
