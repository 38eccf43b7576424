"""The snapshots of one computation: a folder of numbered files, which a thread writes while the computation goes on.

``NUMBER.records.HASH`` holds what the computation gave since the last such file, ``NUMBER.state.HASH`` what it was
after all records of lower numbers. It goes on from the last state that is whole, and so is each records file before it.
"""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from sedlib.base.errors import UserError
from sedlib.base.progress import say
from sedlib.pipeline.resume.kept_files import Kept, last_kept
from sedlib.pipeline.resume.kept_states import Copied, State, copied, read_content, states_in, write_states

BYTES_OF_RECORDS = 2**25
"""So much memory they may take before they are written, also between states."""
STATES = 2
"""Last ones that are left: one may be damaged."""


class Snapshots:
    """What is kept of the computation called ``name`` in ``folder``: a state every so many ``seconds``."""

    def __init__(self, folder: Path, name: str, seconds: float) -> None:
        self._folder, self._name, self._seconds = folder, name, seconds
        self._kept: Kept = last_kept(folder, name)
        self.state: State | None = self._kept.state
        """The last; None of a computation that starts."""
        self.count = self._kept.count
        """How many records there are."""
        self._number = self._kept.number
        self._pending: list[Copied] = []
        self._size = 0
        self._due = time.monotonic() + seconds
        self._writer = ThreadPoolExecutor(1, "snapshots")
        self._writing: Future[None] | None = None
        self._failed = False

    def records(self) -> Iterator[State]:
        """What the computation gave before the state.

        Raises
        ------
        UserError
            A file was changed since the snapshots were opened.
        """
        for path in self._kept.records:
            content = read_content(path)
            if content is None:
                raise UserError(f"{path} was changed while it was in use; run the stage again")
            yield from states_in(content)

    def add(self, record: State) -> None:
        """The computation gave something; it is before the states that are kept from now on."""
        if self._failed:
            return
        self._pending.append(copied(record))
        self.count += 1
        self._size += self._pending[-1].size
        if self._size >= BYTES_OF_RECORDS:
            self._write_records()

    def is_due(self) -> bool:
        """Whether it is time for a state."""
        return not self._failed and time.monotonic() >= self._due

    def keep(self, state: State) -> None:
        """Keep what the computation is now."""
        if self._pending:
            self._write_records()
        self._write("state", [copied({"state": state, "count": self.count})])
        self._due = time.monotonic() + self._seconds

    def close(self) -> None:
        """Wait until everything is written."""
        self._writer.shutdown()

    def _write_records(self) -> None:
        self._write("records", self._pending)
        self._pending, self._size = [], 0

    def _write(self, kind: str, states: list[Copied]) -> None:
        """Hand over to the thread, once it is done with what it got before. A disk that is full ends all keeping."""
        error = self._writing.exception() if self._writing else None
        if error is None:
            self._number += 1
            self._writing = self._writer.submit(self._written, f"{self._number:06}.{kind}", states)
        elif not self._failed:
            self._failed = True
            say(f"{self._name}: no more snapshots are kept, as {self._folder} cannot be written ({error})")

    def _written(self, name: str, states: list[Copied]) -> None:
        path = write_states(self._folder, name, states)
        if path in (found := sorted(self._folder.glob("*.state.*"))):
            for old in found[:-STATES]:
                with suppress(FileNotFoundError):
                    old.unlink()
