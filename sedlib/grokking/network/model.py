r"""The paper's network: a pre-norm Transformer encoder read at its first token, with one linear head per operation.

The same function, initial distribution and state-dict names as ``torch.nn.TransformerEncoder``, written for two
tokens and few distinct inputs, with exact savings:

- the last layer computes the first token alone, the only one that is read;
- over two keys the softmax is a sigmoid: :math:`o = v_1 + \sigma(q \cdot (k_0 - k_1) / \sqrt{d_h})\,(v_0 - v_1)`
  per head, so keys are only needed as a difference, and there are no small batched products;
- a batch of pairs has at most 2p distinct embedded inputs (token and position), so the first norm, projection and
  scores are computed once for each of them (``logits``), unless each input is to be told from the others (``forward``).

Shapes: inside, activations are ``[tokens, batch, d_model]``; an embedded input h is ``[batch, tokens, d_model]``,
logits are ``[tasks, batch, p]``.
"""

import math
from typing import cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from sedlib.base.randomness import generator
from sedlib.grokking.setup.experiment import Experiment

TOKENS = 2


class SelfAttention(nn.Module):
    """Multi-head self-attention over two tokens; parameters as in ``torch.nn.MultiheadAttention``."""

    def __init__(self, d_model: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * d_model, d_model))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * d_model))
        self.out_proj = nn.Linear(d_model, d_model)

    def forward(self, x: Float[Tensor, "tokens batch d"], n_queries: int) -> Float[Tensor, "queries batch d"]:
        """Outputs of the first ``n_queries`` tokens, each attending to both."""
        of_query, of_key, of_value = self.in_proj_weight.chunk(3)
        query_bias, _, value_bias = self.in_proj_bias.chunk(3)
        first, second = x
        difference = first - second
        query = F.linear(x if n_queries == TOKENS else first[None], of_query, query_bias)
        key_difference = F.linear(difference, of_key)  # the bias cancels
        score_difference = (self._split(query) * self._split(key_difference)).sum(-1)
        values = F.linear(difference, of_value), F.linear(second, of_value, value_bias)
        return self._mix(score_difference, *map(self._split, values))

    def of_distinct(
        self, x: Float[Tensor, "distinct d"], tokens: Int64[Tensor, "tokens batch"], n_queries: int
    ) -> Float[Tensor, "queries batch d"]:
        """Outputs of ``forward`` for the inputs ``x[tokens]``, projected once for each row of ``x``."""
        n = len(x)
        projected = F.linear(x, self.in_proj_weight, self.in_proj_bias)
        query, key = (self._split(part).transpose(0, 1) for part in projected.chunk(3, dim=-1)[:2])
        scores = (query @ key.mT).flatten(1)
        of_query, of_key = tokens[:n_queries, None] * n, tokens[None]
        chosen = scores[:, (of_query + of_key).flatten()].view(self.heads, n_queries, TOKENS, -1)
        score_difference = (chosen[:, :, 0] - chosen[:, :, 1]).permute(1, 2, 0)
        first_value, second_value = self._split(F.embedding(tokens, projected[:, 2 * x.shape[1] :]))
        return self._mix(score_difference, first_value - second_value, second_value)

    def _split(self, x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch heads d_head"]:
        return x.unflatten(-1, (self.heads, -1))

    def _mix(
        self,
        score_difference: Float[Tensor, "queries batch heads"],
        value_difference: Float[Tensor, "batch heads d_head"],
        second_value: Float[Tensor, "batch heads d_head"],
    ) -> Float[Tensor, "queries batch d"]:
        attention = torch.sigmoid(score_difference / math.sqrt(value_difference.shape[-1])).unsqueeze(-1)
        return self.out_proj(torch.addcmul(second_value, attention, value_difference).flatten(-2))


class EncoderLayer(nn.Module):
    """Pre-norm encoder layer; parameters as in ``torch.nn.TransformerEncoderLayer``."""

    def __init__(self, d_model: int, heads: int, d_ff: int) -> None:
        super().__init__()
        self.self_attn = SelfAttention(d_model, heads)
        self.linear1 = nn.Linear(d_model, d_ff)
        self.linear2 = nn.Linear(d_ff, d_model)
        self.norm1 = nn.LayerNorm(d_model)
        self.norm2 = nn.LayerNorm(d_model)

    def forward(self, x: Float[Tensor, "tokens batch d"], n_read: int) -> Float[Tensor, "read batch d"]:
        """Outputs of the first ``n_read`` tokens."""
        return self._feed_forward(x[:n_read] + self.self_attn(self.norm1(x), n_read))

    def of_distinct(
        self, x: Float[Tensor, "distinct d"], tokens: Int64[Tensor, "tokens batch"], n_read: int
    ) -> Float[Tensor, "read batch d"]:
        """Outputs of ``forward`` for the inputs ``x[tokens]``."""
        attended = self.self_attn.of_distinct(self.norm1(x), tokens, n_read)
        return self._feed_forward(F.embedding(tokens[:n_read], x) + attended)

    def _feed_forward(self, x: Float[Tensor, "read batch d"]) -> Float[Tensor, "read batch d"]:
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

    def forward(self, x: Float[Tensor, "tokens batch d"]) -> Float[Tensor, "batch d"]:
        """Normed output of the first token."""
        return self._read(x, list(self.layers))

    def of_distinct(
        self, x: Float[Tensor, "distinct d"], tokens: Int64[Tensor, "tokens batch"]
    ) -> Float[Tensor, "batch d"]:
        """Output of ``forward`` for the inputs ``x[tokens]``."""
        first, *others = self.layers
        below = cast("EncoderLayer", first).of_distinct(x, tokens, TOKENS if others else 1)
        return self._read(below, others)

    def _read(self, x: Float[Tensor, "tokens batch d"], layers: list[nn.Module]) -> Float[Tensor, "batch d"]:
        for number, layer in enumerate(layers, start=1):
            x = layer(x, TOKENS if number < len(layers) else 1)
        return self.norm(x[0])

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
        """Logits of every head from embedded inputs, each computed on its own."""
        return self._heads(self.encoder(h.transpose(0, 1)))

    def logits(self, pairs: Int64[Tensor, "batch 2"]) -> Float[Tensor, "tasks batch p"]:
        """``forward(embed(pairs))`` to rounding, in less time: what the pairs share is computed once."""
        p = len(self.token)
        distinct = (self.token + self.position[:, None]).flatten(0, 1)
        tokens = (pairs + p * torch.arange(TOKENS, device=pairs.device)).T.contiguous()
        return self._heads(self.encoder.of_distinct(distinct, tokens))

    def _heads(self, read: Float[Tensor, "batch d"]) -> Float[Tensor, "tasks batch p"]:
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
    with torch.random.fork_rng(devices=[]):  # the modules draw what is drawn anew below; the meta device takes longer
        model = GrokkingTransformer(p, n_tasks, d_model, heads, d_ff, layers)
    model.initialise(generator)
    return model


def build_model(experiment: Experiment) -> GrokkingTransformer:
    """The run's network at step 0, on the CPU."""
    p, n_tasks, size = experiment.data.p, len(experiment.run.ops), experiment.model
    init = generator(experiment.run.seed, "init")
    return build(p, n_tasks, size.d_model, size.heads, size.d_ff, size.layers, init)
