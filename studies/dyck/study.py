"""Bracket languages: a small decoder learns which bracket is open at each place, and how many are."""

from functools import cache

import torch
from torch import Tensor, nn

from sedlib.base.randomness import generator
from sedlib.studies.definition.own_study import OwnStudy
from sedlib.studies.definition.small_decoder import SmallDecoder

KINDS = 4
"""Kinds of brackets: tokens 0 to KINDS - 1 open one, the next KINDS close it."""
DEEPEST = 8
EXAMPLES = 4096


class Study(OwnStudy):
    """The innermost open bracket, and the depth; ``labels: random`` makes a control that nothing can generalise."""

    tasks = ("innermost", "depth")

    def build(self) -> nn.Module:
        """The decoder."""
        sizes = {key: value for key, value in self.model.items() if key != "labels"}
        return SmallDecoder(2 * KINDS, (KINDS + 1, DEEPEST + 1), **sizes)

    def data(self) -> tuple[Tensor, Tensor]:
        """Beginnings of well-formed sequences, and both answers at each place."""
        inputs, targets = sequences(self.model["context"])
        if self.model["labels"] == "random":
            drawn = generator(self.settings.seed, "labels")
            classes = (KINDS + 1, DEEPEST + 1)
            targets = torch.stack([torch.randint(count, inputs.shape, generator=drawn) for count in classes])
        return inputs, targets


@cache
def sequences(context: int) -> tuple[Tensor, Tensor]:
    """Inputs ``[examples, places]`` and targets ``[2, examples, places]``, drawn once for all runs.

    At each place a bracket opens or the innermost closes, as a coin falls; at depth 0 one opens, at the deepest one
    closes.
    """
    drawn = generator(0, "bracket sequences")
    coins = torch.randint(2, (EXAMPLES, context), generator=drawn).tolist()
    kinds = torch.randint(KINDS, (EXAMPLES, context), generator=drawn).tolist()
    rows = [_sequence(*pair) for pair in zip(coins, kinds, strict=True)]
    tokens, innermost, depth = torch.tensor(rows).unbind(1)
    return tokens.contiguous(), torch.stack([innermost, depth])


def _sequence(coins: list[int], kinds: list[int]) -> tuple[list[int], list[int], list[int]]:
    """Tokens, the innermost open bracket (1 to KINDS, or 0), and the depth."""
    stack: list[int] = []
    tokens, innermost, depth = [], [], []
    for coin, kind in zip(coins, kinds, strict=True):
        if len(stack) < DEEPEST and (coin or not stack):
            stack.append(kind)
            tokens.append(kind)
        else:
            tokens.append(KINDS + stack.pop())
        innermost.append(stack[-1] + 1 if stack else 0)
        depth.append(len(stack))
    return tokens, innermost, depth
