"""The second study's network: no Transformer, no tokens, a head for each of two tasks."""

from jaxtyping import Float
from torch import Tensor, nn


class Perceptron(nn.Module):
    """Three logits and a number, from an embedded vector."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(4, 6, bias=False)
        self.hidden = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh())
        self.logits, self.value = nn.Linear(8, 3), nn.Linear(8, 1)

    def forward(
        self, embedded: Float[Tensor, "examples d"]
    ) -> tuple[Float[Tensor, "examples classes"], Float[Tensor, " examples"]]:
        features = self.hidden(embedded)
        return self.logits(features), self.value(features)[:, 0]
