"""What `sedlib repro` shows: a table that changes in place on a terminal, lines elsewhere."""

import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from tqdm import tqdm

STATES = ("waiting", "running", "done", "restored", "failed", "skipped")
COLOURS = {"running": "cyan", "done": "green", "restored": "green", "failed": "red", "skipped": "yellow"}
ROWS = 30


@dataclass
class Row:
    """A stage on the screen."""

    stage: str
    state: str = "waiting"
    text: str = ""  # the last line that the stage printed, or why it failed
    since: float = 0.0
    seconds: float = 0.0


class View:
    """The state of every task, shown where standard error goes.

    Parameters
    ----------
    stages
        Name of each task's stage, by the task's key.
    dashboard
        Address of Dask's dashboard.
    """

    def __init__(self, stages: Mapping[str, str], dashboard: str) -> None:
        self.rows = {key: Row(stage) for key, stage in stages.items()}
        self.dashboard = dashboard
        self.start = time.monotonic()
        self.lock = threading.Lock()
        console = Console(stderr=True)
        self.live = Live(console=console, get_renderable=self.table) if console.is_terminal else None

    def __enter__(self) -> "View":
        if self.live:
            self.live.start()
        else:
            _print(f"{len(self.rows)} stages to run; dashboard: {self.dashboard}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live:
            self.live.stop()

    def heard(self, key: str, text: str) -> None:
        """A worker began with a task, or its stage printed a line."""
        with self.lock:
            row = self.rows.get(key)
            if row is None or row.state not in ("waiting", "running"):
                return  # a finished one is restored elsewhere, as the worker that held its entry is gone
            if row.state == "waiting" or not text:
                row.state, row.since = "running", time.monotonic()
            row.text = text
        if not self.live:
            _print(f"{row.stage} | {text}" if text else f"running  {row.stage}")

    def again(self, key: str, why: str) -> None:
        """A task waits for another worker."""
        with self.lock:
            row = self.rows[key]
            row.state, row.text = "waiting", ""
        if not self.live:
            _print(f"again    {row.stage}: {why}")

    def ended(self, key: str, state: str, text: str = "") -> None:
        """A task came to one of the last four of ``STATES``."""
        with self.lock:
            row = self.rows[key]
            row.seconds = time.monotonic() - row.since if row.since else 0.0
            row.state, row.text = state, text
        if not self.live:
            took = f" in {tqdm.format_interval(row.seconds)}" if row.seconds else ""
            _print(f"{state:<8} {row.stage}{took}{': ' * bool(text)}{text} [{self.overall()}]")

    def overall(self) -> str:
        """Stages ended of all, and the time left if the others take as long as those did."""
        ended = sum(row.state not in ("waiting", "running") for row in self.rows.values())
        left = (time.monotonic() - self.start) / ended * (len(self.rows) - ended) if ended else None
        about = f", about {tqdm.format_interval(left)} left" if left else ""
        return f"{ended} of {len(self.rows)}{about}"

    def table(self) -> Group:
        """Failed and running stages, then those that ended last, as far as there is room; below them the sums."""
        with self.lock:
            rows = [row for row in self.rows.values() if row.state != "waiting"]
            counts = Counter(row.state for row in self.rows.values())
        rows.sort(key=lambda row: (row.state not in ("failed", "running"), -row.since))
        table = Table.grid(padding=(0, 2))
        for row in rows[:ROWS]:
            seconds = time.monotonic() - row.since if row.state == "running" else row.seconds
            state = Text(row.state, COLOURS[row.state])
            text = Text(row.text, no_wrap=True, overflow="ellipsis")
            table.add_row(state, row.stage, tqdm.format_interval(seconds), text)
        ended = len(self.rows) - counts["waiting"] - counts["running"]
        sums = "  ".join(f"{counts[state]} {state}" for state in STATES if counts[state])
        bar = Table.grid()  # ends the line, as a bar alone does not
        bar.add_row(ProgressBar(total=len(self.rows), completed=ended, width=60, complete_style="cyan"))
        return Group(table, bar, Text(f"{sums}; {self.overall()}"), Text(f"dashboard: {self.dashboard}"))


def _print(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
