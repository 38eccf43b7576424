"""Progress of a long stage: a bar on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")
SECONDS_BETWEEN_LINES = 10.0


def track(
    items: Iterable[Item], total: int, label: str, describe: Callable[[Item], str] = lambda item: ""
) -> Iterator[Item]:
    """Yield ``items`` while showing how many of ``total`` are done, ``describe(item)`` and the time left.

    The time left assumes that all ``total`` items come; a run that stops early takes less. Where standard error
    is no terminal, a line is printed at most every ``SECONDS_BETWEEN_LINES`` seconds, and one at the end.
    """
    if sys.stderr.isatty():
        with tqdm(total=total, desc=label, dynamic_ncols=True) as bar:
            for item in items:
                yield item  # the caller works on it: only then it is done
                bar.set_postfix_str(describe(item), refresh=False)
                bar.update()
        return

    start = printed = time.monotonic()
    done, text = 0, ""
    for done, item in enumerate(items, start=1):
        yield item
        text = describe(item)
        now = time.monotonic()
        if now - printed >= SECONDS_BETWEEN_LINES:
            printed = now
            left = tqdm.format_interval((now - start) / done * (total - done))
            _line(f"{label}: {done}/{total} {text} [at most {left} left]")
    _line(f"{label}: done, {done} in {tqdm.format_interval(time.monotonic() - start)} {text}")


def _line(text: str) -> None:
    print(text.rstrip(), file=sys.stderr, flush=True)
