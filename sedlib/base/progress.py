"""Progress of a long stage: a bar on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")
SECONDS_BETWEEN_LINES = 10.0


def track(
    items: Iterable[Item],
    total: int,
    label: str,
    describe: Callable[[Item], str] = lambda item: "",
    before: int = 0,
) -> Iterator[Item]:
    """Yield ``items`` while showing how many of ``total`` are done, ``describe(item)`` and the time left.

    The time left assumes that all ``total`` items come; a run that stops early takes less. The first ``before``
    items were made before, and come in no time. Where standard error is no terminal, a line is printed at most every
    ``SECONDS_BETWEEN_LINES`` seconds, and one at the end.
    """
    if sys.stderr.isatty():
        with tqdm(total=total, desc=label, dynamic_ncols=True, initial=before) as bar:
            for done, item in enumerate(items, start=1):
                yield item  # the caller works on it: only then it is done
                bar.set_postfix_str(describe(item), refresh=False)
                bar.update(done > before)
        return

    if before:
        say(f"{label}: {before}/{total} were made before")
    start = printed = time.monotonic()
    done, text = 0, ""
    for done, item in enumerate(items, start=1):
        yield item
        text = describe(item)
        now = time.monotonic()
        if done <= before:
            start = now
        elif now - printed >= SECONDS_BETWEEN_LINES:
            printed = now
            left = tqdm.format_interval((now - start) / (done - before) * (total - done))
            say(f"{label}: {done}/{total} {text} [at most {left} left]")
    say(f"{label}: done, {done} in {tqdm.format_interval(time.monotonic() - start)} {text}")


def say(text: str) -> None:
    """Print a line where progress is printed."""
    print(text.rstrip(), file=sys.stderr, flush=True)
