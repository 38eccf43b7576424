"""What a recorded step costs, in training steps: GPT-2-shaped networks of two sizes, two tasks, float32.

A training step and a recording, on as many tokens each, are timed in turn. The slots are the attention weights. What a
recording writes goes to a temporary folder, synced.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import GPT2Config, GPT2LMHeadModel

from sedlib.own.live.recorder import Recorder
from sedlib.vectors import ParamLayout

SIZES = {"2 layers of 128": (2, 128), "6 layers of 384": (6, 384)}
TOKENS, BATCH, LENGTH = 512, 8, 64
ROUNDS = 7


def losses(network: nn.Module, tokens: Tensor) -> dict[str, tuple[Tensor, int]]:
    """Losses of the first and the second half of each text."""
    logits, targets, half = network(tokens).logits[:, :-1], tokens[:, 1:], LENGTH // 2
    parts = {"first": slice(0, half), "second": slice(half, LENGTH - 1)}
    return {
        task: (cross_entropy(logits[:, part].flatten(0, 1), targets[:, part].flatten(), reduction="sum"), len(tokens))
        for task, part in parts.items()
    }


def timed(routine: Callable[[], object]) -> float:
    """Seconds."""
    start = time.perf_counter()
    routine()
    return time.perf_counter() - start


def measured(layers: int, width: int, n_batches: int) -> Iterator[str]:
    """Cells of the table: sizes, seconds of a step, seconds of a recording, their ratio with its extremes."""
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=TOKENS, n_positions=LENGTH, n_embd=width, n_layer=layers, n_head=width // 64)
    network = GPT2LMHeadModel(config)
    batches = list(torch.randint(TOKENS, (n_batches, BATCH, LENGTH)))
    optimizer, slots = torch.optim.AdamW(network.parameters()), ParamLayout.attention(network)

    def step() -> None:
        optimizer.zero_grad()
        sum(total / number for total, number in losses(network, batches[0]).values()).backward()  # type: ignore[union-attr]
        optimizer.step()

    with (
        tempfile.TemporaryDirectory() as folder,
        Recorder(Path(folder), network, losses, slots=slots, batches=batches, every=1) as recorder,
    ):
        steps = count()
        step()
        recorder.after(next(steps))  # tries the losses twice, which later ones do not
        pairs = [(timed(step), timed(lambda: recorder.after(next(steps)))) for _ in range(ROUNDS)]
    ratios = sorted(recording / stepped for stepped, recording in pairs)
    yield f"{sum(value.numel() for value in network.parameters()):,}"
    yield f"{slots.size:,}"
    yield str(n_batches)
    yield from (f"{statistics.median(seconds):.3f}" for seconds in zip(*pairs, strict=True))
    yield f"{statistics.median(ratios):.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f})"


def main() -> None:
    """Print the table."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    torch.set_num_threads(1)
    print(
        "| network | parameters | slots | batches | step, s | recording, s | recording in steps |\n|---"
        + "|---" * 6
        + "|"
    )
    for name, (layers, width) in SIZES.items():
        for n_batches in (1, 4):
            print(f"| {name} | {' | '.join(measured(layers, width, n_batches))} |", flush=True)


if __name__ == "__main__":
    main()
