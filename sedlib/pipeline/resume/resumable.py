"""Computations that give one item after another, and go on from where they were stopped."""

from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar, runtime_checkable

from sedlib.base.progress import track
from sedlib.pipeline.resume.kept_states import State
from sedlib.pipeline.resume.snapshots import Snapshots

Item = TypeVar("Item")


@runtime_checkable
class Resumable(Protocol[Item]):
    """A computation in steps, of which some give an item.

    Between two steps, ``load_state_dict`` of what ``state_dict`` gave makes another object that was made in the same
    way go on as this one does, bit for bit.
    """

    @property
    def is_over(self) -> bool:
        """Whether no step is left."""

    def advance(self) -> Item | None:
        """Take one step."""

    def state_dict(self) -> State:
        """All that the next steps depend on and a new object does not have; its ``step`` is shown."""

    def load_state_dict(self, state: State) -> None:
        """Go on from a state."""

    def record(self, item: Item) -> State:
        """All that is needed to give an item again."""

    def replay(self, record: State) -> Item:
        """The item of a record; before any step."""


def resumed(computation: Resumable[Item], snapshots: Snapshots | None) -> Iterator[Item]:
    """All items, from the first on: those that were kept, then what the computation gives from there."""
    if snapshots and snapshots.state is not None:
        yield from map(computation.replay, snapshots.records())
        computation.load_state_dict(snapshots.state)
    while not computation.is_over:
        item = computation.advance()
        if item is not None:
            if snapshots:
                snapshots.add(computation.record(item))
            yield item
        if snapshots and (snapshots.is_due() or computation.is_over):
            snapshots.keep(computation.state_dict())


def tracked(
    computation: Resumable[Item], snapshots: Snapshots | None, total: int, label: str, describe: Callable[[Item], str]
) -> Iterator[Item]:
    """All items, as ``resumed`` gives them, while progress is shown; `track` says how."""
    before = 0
    if snapshots and snapshots.state is not None:
        before = snapshots.count
        label = f"{label}, from step {snapshots.state['step']:,} on"
    return track(resumed(computation, snapshots), total, label, describe, before)
