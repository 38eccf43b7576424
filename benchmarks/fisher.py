"""Time and memory of a single-checkpoint basis: from the matrix of per-example gradients, and by Lanczos without it.

A network of the paper's kind at step 0, N attention slots, M examples of addition, three directions. Each measurement
runs in a process of its own, as peak memory is that of a process; memory is the peak beyond what it held before.
"""

import argparse
import multiprocessing
import resource
import time

import torch
from torch.nn import functional as F

from sedlib.base.randomness import generator
from sedlib.fisher import empirical_fisher, gradient_basis, lanczos
from sedlib.gradients import per_example_gradients
from sedlib.grokking.network.model import build
from sedlib.grokking.setup.pairs import all_pairs, answers
from sedlib.pipeline.study import Examples
from sedlib.vectors import ParamLayout

P, RANK = 97, 3
SIZES = [(64, 512), (128, 128), (128, 512), (128, 2048), (256, 512)]
"""Width of the network and number of examples: M grows at one N, N at one M."""


def measure(method: str, width: int, count: int) -> tuple[int, float, float]:
    """N, seconds and MB."""
    torch.set_num_threads(1)
    model = build(P, 1, width, 4, 2 * width, 2, generator(0, "init")).requires_grad_(False)
    layout = ParamLayout.attention(model)
    pairs = all_pairs(["add"], P)
    batch = Examples(pairs, answers(["add"], pairs, P)).drawn(count, generator(0, "gradient batch"))
    examples = (model.embed(batch.inputs), batch.targets[0])

    def loss_at(theta: torch.Tensor, h: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        logits = torch.func.functional_call(model, layout.unflatten(theta), (h[None],))[0]
        return F.cross_entropy(logits, target[None])

    theta = layout.flatten(model.state_dict())
    per_example_gradients(loss_at, theta, [part[:2] for part in examples])  # what PyTorch loads on first use
    before, start = peak_megabytes(), time.perf_counter()
    if method == "matrix":
        gradient_basis(per_example_gradients(loss_at, theta, examples), RANK)
    else:
        lanczos(empirical_fisher(loss_at, theta, examples), RANK, generator(0, "lanczos"))
    return layout.size, time.perf_counter() - start, peak_megabytes() - before


def peak_megabytes() -> float:
    """Largest memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print the table."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    print("| N | M | matrix: s | MB | Lanczos: s | MB |\n|---|---|---|---|---|---|")
    processes = multiprocessing.get_context("spawn")
    for width, count in SIZES:
        cells = []
        for method in ("matrix", "lanczos"):
            with processes.Pool(1) as pool:
                size, seconds, megabytes = pool.apply(measure, (method, width, count))
            cells += [f"{seconds:.1f}", f"{megabytes:,.0f}"]
        print(f"| {size:,} | {count:,} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
