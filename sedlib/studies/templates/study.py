"""The study of this folder: a small model that reads the Zen of Python. Edit it, then run `dvc repro`.

A study has names of tasks, a network and data. Everything else can be replaced too, one method each: the docstrings
of sedlib.studies.definition.own_study.OwnStudy say how.
"""

import codecs
import contextlib
import io

import torch
from torch import Tensor, nn

from sedlib.studies.definition.own_study import OwnStudy

with contextlib.redirect_stdout(io.StringIO()):
    import this

TEXT = codecs.decode(this.s, "rot13").lower()
CHARACTERS = sorted(set(TEXT))
BACK = 5
"""How many places the second task looks back."""


class CharacterModel(nn.Module):
    """A Transformer that reads characters from left to right, with a head for each task."""

    def __init__(self, width: int, heads: int, layers: int, context: int) -> None:
        super().__init__()
        self.token = nn.Embedding(len(CHARACTERS), width)
        self.position = nn.Parameter(torch.randn(context, width) / width**0.5)
        layer = nn.TransformerEncoderLayer(width, heads, 2 * width, 0.0, "gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)
        self.heads = nn.ModuleList(nn.Linear(width, len(CHARACTERS)) for _ in Study.tasks)

    def embed(self, inputs: Tensor) -> Tensor:
        """Token plus position; centroids are gradients by it."""
        return self.token(inputs) + self.position

    def forward(self, embedded: Tensor) -> list[Tensor]:
        """Logits of each task, at the places that have a character so many places before."""
        mask = nn.Transformer.generate_square_subsequent_mask(embedded.shape[1], device=embedded.device)
        features = self.encoder(embedded, mask=mask, is_causal=True)[:, BACK:]
        return [head(features) for head in self.heads]


class Study(OwnStudy):
    """The next character, and the one five places back."""

    tasks = ("next", "back")

    def build(self) -> nn.Module:
        """The network; PyTorch's own generator is seeded by the run."""
        return CharacterModel(**self.model)

    def data(self) -> tuple[Tensor, Tensor]:
        """Every window of the text, and the two answers at each of its places."""
        codes = torch.tensor([CHARACTERS.index(character) for character in TEXT])
        windows = codes.unfold(0, self.model["context"] + 1, 1)
        return windows[:, :-1].contiguous(), torch.stack([windows[:, BACK + 1 :], windows[:, : -BACK - 1]])
