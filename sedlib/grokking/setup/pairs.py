"""Pairs of operands, their answers, and the train-test split.

Shapes: pairs are ``[pairs, 2]``, answers ``[tasks, pairs]``.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Int64
from torch import Tensor

from sedlib.base.errors import UserError
from sedlib.base.randomness import generator
from sedlib.grokking.setup.domain import modulus_problem, operands, train_size
from sedlib.grokking.setup.operations import OPERATIONS
from sedlib.pipeline.input_format import InputFormat

PAIRS = InputFormat(("operands",), "int64", "pairs (a, b)")


def all_pairs(ops: Sequence[str], p: int) -> Int64[Tensor, "pairs 2"]:
    """Every (a, b) on which all the operations are asked, in lexicographic order.

    Raises
    ------
    UserError
        An operation of the multiplicative group is asked modulo a number that is not prime.
    """
    if problem := modulus_problem(ops, p):
        raise UserError(problem)
    values = torch.tensor(operands(ops, p))
    return torch.cartesian_prod(values, values)


def answers(ops: Sequence[str], pairs: Int64[Tensor, "pairs 2"], p: int) -> Int64[Tensor, "tasks pairs"]:
    """Result of each operation on each pair, in 0 … p − 1.

    Raises
    ------
    ValueError
        A pair is not of operands that the operations are asked on.
    """
    domain = operands(ops, p)
    if len(outside := ((pairs < domain.start) | (pairs >= domain.stop)).any(1).nonzero()):
        raise ValueError(
            f"pair {tuple(pairs[int(outside[0])].tolist())} is outside the operands of {', '.join(ops)} modulo {p}, "
            f"which are {domain.start} … {domain.stop - 1}"
        )
    a, b = pairs.unbind(-1)
    return torch.stack([OPERATIONS[op].apply(a, b) % p for op in ops])


def split_pairs(
    ops: Sequence[str], p: int, train_fraction: float, seed: int
) -> tuple[Int64[Tensor, "train 2"], Int64[Tensor, "test 2"]]:
    """All pairs of a run, shuffled by its seed, as training and test pairs."""
    return split(all_pairs(ops, p), train_fraction, generator(seed, "split"))


def split(
    pairs: Int64[Tensor, "pairs 2"], train_fraction: float, generator: torch.Generator
) -> tuple[Int64[Tensor, "train 2"], Int64[Tensor, "test 2"]]:
    """Shuffled pairs, cut into training and test pairs.

    Raises
    ------
    UserError
        None are left to train on, or to test on.
    """
    n_train = train_size(len(pairs), train_fraction)
    if not 0 < n_train < len(pairs):
        raise UserError(
            f"data.train_fraction = {train_fraction} leaves {n_train} of {len(pairs)} pairs to train on; "
            "choose another fraction or a larger data.p"
        )
    shuffled = pairs[torch.randperm(len(pairs), generator=generator)]
    return shuffled[:n_train], shuffled[n_train:]
