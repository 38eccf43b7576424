"""A small decoder that studies share: it reads tokens from left to right, and answers at every place by several heads.

Shapes: inputs are ``[examples, places]``, embedded inputs ``[examples, places, width]``.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn


class SmallDecoder(nn.Module):
    """Token plus position, pre-norm Transformer layers, and a linear head for each task.

    Parameters
    ----------
    vocabulary
        How many tokens there are.
    classes
        How many answers each task has.
    silent
        Places at the start that no answer is given at.
    """

    def __init__(
        self,
        vocabulary: int,
        classes: tuple[int, ...],
        width: int,
        heads: int,
        layers: int,
        context: int,
        silent: int = 0,
    ) -> None:
        super().__init__()
        self.token = nn.Embedding(vocabulary, width)
        self.position = nn.Parameter(torch.randn(context, width))
        layer = nn.TransformerEncoderLayer(width, heads, 2 * width, 0.0, "gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)
        self.heads = nn.ModuleList(nn.Linear(width, count) for count in classes)
        self._silent = silent

    def embed(self, inputs: Int64[Tensor, "examples places"]) -> Float[Tensor, "examples places width"]:
        """Token plus position."""
        return self.token(inputs) + self.position

    def forward(self, embedded: Float[Tensor, "examples places width"]) -> list[Tensor]:
        """Logits of each task at every place that answers."""
        mask = nn.Transformer.generate_square_subsequent_mask(embedded.shape[1], device=embedded.device)
        features = self.encoder(embedded, mask=mask, is_causal=True)[:, self._silent :]
        return [head(features) for head in self.heads]
