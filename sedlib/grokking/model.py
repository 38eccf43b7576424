"""The paper's network: a pre-norm Transformer encoder read at its first token, with one linear head per operation.

The same function, initial distribution and state-dict names as ``torch.nn.TransformerEncoder``, written for two
tokens: attention scores are sums over elementwise products, and the last layer computes the first token alone,
the only one that is read.

Shapes: an embedded input h is ``[batch, tokens, d_model]``, logits are ``[tasks, batch, p]``.
"""

import math
from typing import cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

TOKENS = 2


class SelfAttention(nn.Module):
    """Multi-head self-attention; parameters as in ``torch.nn.MultiheadAttention``."""

    def __init__(self, d_model: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * d_model, d_model))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * d_model))
        self.out_proj = nn.Linear(d_model, d_model)

    def forward(self, x: Float[Tensor, "batch tokens d"], n_queries: int) -> Float[Tensor, "batch queries d"]:
        """Outputs of the first ``n_queries`` tokens, each attending to all."""
        d = x.shape[-1]
        query = F.linear(x[:, :n_queries], self.in_proj_weight[:d], self.in_proj_bias[:d])
        key, value = F.linear(x, self.in_proj_weight[d:], self.in_proj_bias[d:]).chunk(2, dim=-1)
        query, key, value = (part.unflatten(-1, (self.heads, -1)) for part in (query, key, value))
        scores = (query.unsqueeze(2) * key.unsqueeze(1)).sum(-1, keepdim=True) / math.sqrt(d // self.heads)
        mixed = (scores.softmax(dim=2) * value.unsqueeze(1)).sum(2)
        return self.out_proj(mixed.flatten(-2))


class EncoderLayer(nn.Module):
    """Pre-norm encoder layer; parameters as in ``torch.nn.TransformerEncoderLayer``."""

    def __init__(self, d_model: int, heads: int, d_ff: int) -> None:
        super().__init__()
        self.self_attn = SelfAttention(d_model, heads)
        self.linear1 = nn.Linear(d_model, d_ff)
        self.linear2 = nn.Linear(d_ff, d_model)
        self.norm1 = nn.LayerNorm(d_model)
        self.norm2 = nn.LayerNorm(d_model)

    def forward(self, x: Float[Tensor, "batch tokens d"], n_tokens: int) -> Float[Tensor, "batch read d"]:
        """Outputs of the first ``n_tokens`` tokens."""
        x = x[:, :n_tokens] + self.self_attn(self.norm1(x), n_tokens)
        return x + self.linear2(F.gelu(self.linear1(self.norm2(x))))

    def initialise(self, generator: torch.Generator) -> None:
        """Draw weights and biases; biases of the attention are zero."""
        nn.init.xavier_uniform_(self.self_attn.in_proj_weight, generator=generator)
        for linear in (self.self_attn.out_proj, self.linear1, self.linear2):
            _initialise_linear(linear, generator)
        nn.init.zeros_(self.self_attn.in_proj_bias)
        nn.init.zeros_(self.self_attn.out_proj.bias)
        for norm in (self.norm1, self.norm2):
            nn.init.ones_(norm.weight)
            nn.init.zeros_(norm.bias)


class Encoder(nn.Module):
    """Encoder layers and a final norm, read at the first token; parameters as in ``torch.nn.TransformerEncoder``."""

    def __init__(self, d_model: int, heads: int, d_ff: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(d_model, heads, d_ff) for _ in range(layers))
        self.norm = nn.LayerNorm(d_model)

    def forward(self, x: Float[Tensor, "batch tokens d"]) -> Float[Tensor, "batch d"]:
        """Normed output of the first token."""
        *below, last = self.layers
        for layer in below:
            x = layer(x, x.shape[1])
        return self.norm(last(x, 1)[:, 0])

    def initialise(self, generator: torch.Generator) -> None:
        """Draw the first layer; the others start as its copies."""
        nn.init.ones_(self.norm.weight)
        nn.init.zeros_(self.norm.bias)
        first, *others = self.layers
        cast("EncoderLayer", first).initialise(generator)
        for layer in others:
            layer.load_state_dict(first.state_dict())


class GrokkingTransformer(nn.Module):
    """Token and position embedding, encoder, heads; uninitialised until ``initialise``."""

    def __init__(self, p: int, n_tasks: int, d_model: int, heads: int, d_ff: int, layers: int) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.empty(p, d_model))
        self.position = nn.Parameter(torch.empty(TOKENS, d_model))
        self.encoder = Encoder(d_model, heads, d_ff, layers)
        self.heads = nn.ModuleList(nn.Linear(d_model, p) for _ in range(n_tasks))

    def embed(self, pairs: Int64[Tensor, "batch 2"]) -> Float[Tensor, "batch tokens d"]:
        """Embedded input h(x): token plus position."""
        return F.embedding(pairs, self.token) + self.position

    def forward(self, h: Float[Tensor, "batch tokens d"]) -> Float[Tensor, "tasks batch p"]:
        """Logits of every head from embedded inputs."""
        read = self.encoder(h)
        return torch.stack([head(read) for head in self.heads])

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Draw all parameters as PyTorch's own modules do."""
        self.token.normal_(generator=generator)
        self.position.normal_(std=1 / math.sqrt(self.position.shape[1]), generator=generator)
        self.encoder.initialise(generator)
        for head in self.heads:
            _initialise_linear(cast("nn.Linear", head), generator)


def _initialise_linear(linear: nn.Linear, generator: torch.Generator) -> None:
    bound = 1 / math.sqrt(linear.in_features)
    linear.weight.uniform_(-bound, bound, generator=generator)
    linear.bias.uniform_(-bound, bound, generator=generator)


def build(
    p: int, n_tasks: int, d_model: int, heads: int, d_ff: int, layers: int, generator: torch.Generator
) -> GrokkingTransformer:
    """A freshly initialised network on the CPU that leaves PyTorch's global random state alone."""
    with torch.device("meta"):
        model = GrokkingTransformer(p, n_tasks, d_model, heads, d_ff, layers)
    model = model.to_empty(device="cpu")
    model.initialise(generator)
    return model
