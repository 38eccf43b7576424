"""Memory and time of a band of Gram entries of GPT-2-sized linear layers: from gradients, and from their factors.

    python -m benchmarks.linear_gram

Random inputs and output gradients of the linear layers of one block of width 768, at T checkpoints; a band that reaches
over a window. A row of a whole network is a dozen times as much. Peak memory is that of a process of its own.
"""

import multiprocessing
import time
from collections import deque
from collections.abc import Iterator

import torch
from torch import Tensor

from benchmarks.fisher import peak_megabytes
from sedlib.linear_gram import FactoredRow, LinearFactors, factored_band, factors_are_fewer

SHAPES = {"c_attn": (2304, 768), "attn.c_proj": (768, 768), "c_fc": (3072, 768), "mlp.c_proj": (768, 3072)}
TOKENS, CHECKPOINTS, REACH = (64, 256, 512), 8, 4


def rows(tokens: int, form: str) -> Iterator[FactoredRow]:
    """Of each checkpoint, each gradient in the smaller form, as factors or as it is."""
    random = torch.Generator().manual_seed(0)
    for _ in range(CHECKPOINTS):
        parts: list[LinearFactors | Tensor] = []
        for outputs, inputs in SHAPES.values():
            read, back = (torch.randn(tokens, width, generator=random) for width in (inputs, outputs))
            factors = LinearFactors(read, back)
            keeps = form == "factors" or (form == "smaller" and factors_are_fewer(tokens, inputs, outputs))
            parts.append(factors if keeps else factors.gradient)
        yield FactoredRow(tuple(SHAPES), tuple(parts))


def measure(tokens: int, form: str) -> tuple[float, float, float]:
    """CPU seconds of the band, without drawing; MB of a row; and MB of the process beyond its start."""
    torch.set_num_threads(1)
    numbers = next(rows(1, form)).numbers  # what is loaded on first use
    before, start = peak_megabytes(), time.process_time()
    deque(rows(tokens, form), maxlen=0)
    drawn = time.process_time() - start
    start = time.process_time()
    factored_band(rows(tokens, form), REACH)
    seconds = time.process_time() - start - drawn
    numbers = next(rows(tokens, form)).numbers
    return seconds, 4 * numbers / 2**20, peak_megabytes() - before


def main() -> None:
    """Print a line per number of tokens."""
    forms = ("gradients", "factors", "smaller")
    print("| tokens | " + " | ".join(f"{form}: MB a row | MB | s" for form in forms) + " |\n|---" + "|---" * 9 + "|")
    processes = multiprocessing.get_context("spawn")
    for tokens in TOKENS:
        cells = []
        for form in forms:
            with processes.Pool(1) as pool:
                seconds, row, megabytes = pool.apply(measure, (tokens, form))
            cells += [f"{row:,.1f}", f"{megabytes:,.0f}", f"{seconds:.2f}"]
        print(f"| {tokens:,} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
