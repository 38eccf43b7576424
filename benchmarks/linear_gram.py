"""Room and time of inner products of GPT-2-sized linear layers' gradients: as they are, and as factors.

    python -m benchmarks.linear_gram

Random inputs and output gradients of the four linear layers of one block of width 768, at two checkpoints; CPU time of
one thread.
"""

import argparse
import statistics
import time

import torch
from torch import Tensor

from sedlib.sketches.linear_gram import FactoredRow, LinearFactors, factors_are_fewer

SHAPES = {"c_attn": (2304, 768), "attn.c_proj": (768, 768), "c_fc": (3072, 768), "mlp.c_proj": (768, 3072)}
TOKENS = (64, 256, 512, 1024)


def row(tokens: int, form: str, seed: int) -> FactoredRow:
    """Each gradient as factors, as it is, or in the smaller form."""
    random = torch.Generator().manual_seed(seed)
    parts: list[LinearFactors | Tensor] = []
    for outputs, inputs in SHAPES.values():
        read, back = (torch.randn(tokens, width, generator=random) for width in (inputs, outputs))
        factors = LinearFactors(read, back)
        keeps = form == "factors" or (form == "smaller" and factors_are_fewer(tokens, inputs, outputs))
        parts.append(factors if keeps else factors.gradient)
    return FactoredRow(tuple(SHAPES), tuple(parts))


def measure(tokens: int, form: str) -> tuple[float, float]:
    """MB of a row, and CPU milliseconds of a product."""
    first, second = (row(tokens, form, seed) for seed in (0, 1))
    times = []
    for _ in range(5):
        start = time.process_time()
        first.product(second)
        times.append(1000 * (time.process_time() - start))
    return 4 * first.numbers / 2**20, statistics.median(times)


def main() -> None:
    """Print a line per number of tokens."""
    torch.set_num_threads(1)
    forms = ("gradients", "factors", "smaller")
    print("| tokens | " + " | ".join(f"{form}: MB | ms" for form in forms) + " |\n|---" + "|---" * 6 + "|")
    for tokens in TOKENS:
        cells = [f"{megabytes:,.1f} | {ms:,.0f}" for megabytes, ms in (measure(tokens, form) for form in forms)]
        print(f"| {tokens:,} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    main()
