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
    total: int | None,
    label: str,
    describe: Callable[[Item], str] = lambda item: "",
    before: int = 0,
) -> Iterator[Item]:
    """Yield ``items`` while showing how many of ``total`` are done, ``describe(item)`` and the time left.

    The time left assumes that all ``total`` items come; a run that stops early takes less, and where nobody knows how
    many there are (None) it is not shown. The first ``before`` items were made before, and come in no time. Where
    standard error is no terminal, a line is printed every ``SECONDS_BETWEEN_LINES`` seconds at most, and at the end.
    """
    if sys.stderr.isatty():
        with tqdm(total=total, desc=label, dynamic_ncols=True, initial=before) as bar:
            for done, item in enumerate(items, start=1):
                yield item  # the caller works on it: only then it is done
                bar.set_postfix_str(describe(item), refresh=False)
                bar.update(done > before)
        return

    if before:
        say(f"{label}: {before}/{total} exist already")
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
            say(f"{label}: {_so_far(done, total, (now - start) / (done - before), text)}")
    say(f"{label}: done, {done} in {tqdm.format_interval(time.monotonic() - start)} {text}")


def _so_far(done: int, total: int | None, seconds_each: float, text: str) -> str:
    if total is None:
        return f"{done} {text}"
    return f"{done}/{total} {text} [at most {tqdm.format_interval(seconds_each * (total - done))} left]"


def say(text: str) -> None:
    """Print a line where progress is printed."""
    print(text.rstrip(), file=sys.stderr, flush=True)
