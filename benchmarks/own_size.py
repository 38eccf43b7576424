"""Seconds, memory and disk of ``sedlib.measure`` on a GPT-2-shaped network of random weights, all of them slots.

    python -m benchmarks.own_size 1000000 10000000 [--folder FOLDER] [--threads 2] [--probes 4] [--random 5]

Of each size it first writes 12 checkpoints of a short training. Training and measurement are processes of their own.
Two tasks, the next token and the same token; a batch of 4 texts of 32 tokens; rows in bfloat16; windows of 1 and 5; no
nulls. A row of the table has CPU seconds of a checkpoint's rows and of a response, minutes in all by the clock, and the
most anonymous memory. A folder keeps checkpoints and rows by size, and another call goes on there.
"""

import argparse
import multiprocessing
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import GPT2Config, GPT2LMHeadModel

from benchmarks.memory import megabytes
from sedlib.models.probes import Probes
from sedlib.own.measure_run import measure
from sedlib.saved.saved_checkpoints import Checkpoints

SHAPES = {1_000_000: (2_000, 128, 4), 10_000_000: (8_000, 320, 6), 120_000_000: (50_257, 768, 12)}
"""Tokens, width and layers; the last is GPT-2 itself."""
CHECKPOINTS, TEXTS, LENGTH = 12, 4, 32


def network(size: int) -> GPT2LMHeadModel:
    """With the same random weights whenever it is made."""
    vocabulary, width, layers = SHAPES[size]
    torch.manual_seed(0)
    ends = {"bos_token_id": 0, "eos_token_id": 0}
    return GPT2LMHeadModel(GPT2Config(vocab_size=vocabulary, n_embd=width, n_layer=layers, n_head=width // 64, **ends))


def next_loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Cross-entropy of the next token."""
    logits: Tensor = model(batch[0]).logits[:, :-1]
    return cross_entropy(logits.flatten(0, 1), batch[1][:, 1:].flatten())


def same_loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Cross-entropy of the token that is read."""
    logits: Tensor = model(batch[0]).logits
    return cross_entropy(logits.flatten(0, 1), batch[1].flatten())


def scores(output: object, targets: Tensor) -> Tensor:
    """The logit of a token at the last place, by task."""
    last: Tensor = output.logits[:, -1]  # type: ignore[attr-defined]
    return last.gather(1, targets.T).T


def train(size: int, folder: Path) -> None:
    """Write the checkpoints."""
    model = network(size)
    optimizer, random = torch.optim.SGD(model.parameters(), lr=0.1), torch.Generator().manual_seed(0)
    for step in range(CHECKPOINTS):
        torch.save(model.state_dict(), folder / f"step-{step}.pt")
        texts = torch.randint(SHAPES[size][0], (TEXTS, LENGTH), generator=random)
        optimizer.zero_grad()
        (next_loss(model, (texts, texts)) + same_loss(model, (texts, texts))).backward()
        optimizer.step()


@contextmanager
def most_memory() -> Iterator[list[float]]:
    """The most anonymous memory of this process so far, in MB: files that are mapped can be given back at any time."""
    most, ended = [0.0], threading.Event()

    def watch() -> None:
        while not ended.wait(0.05):
            most[0] = max(most[0], megabytes("RssAnon"))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    yield most
    ended.set()
    watcher.join()


def measured(size: int, folder: Path, threads: int, n_probes: int, random: int, count: int) -> str:
    """Cells of the table."""
    torch.set_num_threads(threads)
    model, (vocabulary, *_), draws = network(size), SHAPES[size], torch.Generator().manual_seed(1)
    texts, inputs = (torch.randint(vocabulary, (number, LENGTH), generator=draws) for number in (TEXTS, n_probes))
    probes = Probes(inputs, scores, torch.stack([inputs[:, 0], inputs[:, -1]]), embed="transformer.wte")
    saved, began = Checkpoints(folder / "*.pt"), []

    def states() -> Iterator[tuple[int, dict[str, Tensor]]]:  # for the trial, the rows, the responses
        began.append((time.process_time(), time.perf_counter()))
        yield from ((checkpoint.step, checkpoint.state(model)) for checkpoint in saved)

    options = {"slots": "*", "matched": 0, "permutations": 0, "dtype": "bfloat16", "rows": folder / "rows"}
    with most_memory() as most:
        table = measure(
            states,
            model,
            {"next": next_loss, "same": same_loss},
            [(texts, texts)],
            probes,
            windows=(1, 5),
            random=random,
            measured=count,
            chunk=4,
            **options,  # type: ignore[arg-type]
        )
    taken, responded = began[2][0] - began[1][0], time.process_time() - began[2][0]
    minutes = (time.perf_counter() - began[0][1]) / 60
    print(table.to_string(), file=sys.stderr)
    n_responses = table["step"].nunique() * random + table.drop_duplicates(["step", "stream", "window"])["rank"].sum()
    disk = sum(file.stat().st_size for file in (folder / "rows").iterdir()) / 2**20
    cells = [f"{sum(value.numel() for value in model.parameters()):,}", f"{taken / CHECKPOINTS:.2f}"]
    cells += [f"{responded / n_responses:.2f}", f"{minutes:.1f}", f"{most[0]:,.0f}", f"{disk:,.0f}"]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", type=int, nargs="+", choices=SHAPES)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--probes", type=int, default=4)
    parser.add_argument("--random", type=int, default=5, help="random directions")
    parser.add_argument("--measured", type=int, default=2, help="checkpoints at which responses are measured")
    given = parser.parse_args()
    print("| N | rows, CPU s | response, CPU s | minutes | MB of memory | MB of disk |\n|---|---|---|---|---|---|")
    processes = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as temporary:
        for size in given.sizes:
            folder = (given.folder or Path(temporary)) / str(size)
            folder.mkdir(parents=True, exist_ok=True)
            if not (folder / f"step-{CHECKPOINTS - 1}.pt").exists():
                with processes.Pool(1) as pool:
                    pool.apply(train, (size, folder))
            with processes.Pool(1) as pool:
                arguments = (size, folder, given.threads, given.probes, given.random, given.measured)
                print(pool.apply(measured, arguments), flush=True)


if __name__ == "__main__":
    main()
