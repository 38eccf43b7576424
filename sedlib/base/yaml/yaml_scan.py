"""Scans the text of a YAML file before a value of it is built, and refuses what must not be in it.

Refused are deep nesting, aliases, which can grow a kilobyte to gigabytes, keys that are given twice, and tags, merge
keys and directives, with which a file says what its reader does not see.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    ScalarEvent,
)

from sedlib.base.errors import LONGEST_QUOTE, UserError, quoted

DEEPEST = 20
"""Levels of nesting: readers and checks that call themselves give up at some hundreds."""

Keys = tuple[str, ...]
"""Where a value stands: the keys that lead to it, and the numbers of list items."""


@dataclass
class _Level:
    """A mapping or a list that is open: what of it was seen so far."""

    keys: Keys
    is_mapping: bool
    seen: dict[str, int] = field(default_factory=dict)
    key: str | None = None
    """Of the value that comes next in a mapping; None where a key comes next."""
    count: int = 0

    def next_keys(self) -> Keys:
        """Where the value that comes now stands."""
        if self.is_mapping:
            name, self.key = self.key or "", None
            return (*self.keys, name)
        self.count += 1
        return (*self.keys, str(self.count - 1))


def scanned(events: Iterator[Event], most_aliases: int) -> dict[Keys, int]:
    """The line of each value; nothing is built of any.

    Raises
    ------
    UserError
        Something is refused; the message begins with the line.
    """
    levels: list[_Level] = []
    lines: dict[Keys, int] = {}
    aliases = 0
    for event in events:
        line = event.start_mark.line + 1
        aliases += isinstance(event, AliasEvent)
        if problem := _refusal(event, levels, aliases > most_aliases):
            raise UserError(f"line {line}: {problem}")
        if isinstance(event, CollectionEndEvent):
            levels.pop()
        elif isinstance(event, AliasEvent | ScalarEvent | CollectionStartEvent):
            level = levels[-1] if levels else None
            if level and level.is_mapping and level.key is None:
                level.key = event.value
                level.seen[event.value] = line
                continue
            keys = level.next_keys() if level else ()
            lines[keys] = line
            if isinstance(event, CollectionStartEvent):
                levels.append(_Level(keys, isinstance(event, MappingStartEvent)))
    return lines


def _refusal(event: Event, levels: list[_Level], too_many_aliases: bool) -> str | None:
    """Why an event cannot be in the file; None where it can."""
    level = levels[-1] if levels else None
    is_key = level is not None and level.is_mapping and level.key is None
    if isinstance(event, DocumentStartEvent) and (event.version or event.tags):
        return "a directive (%YAML, %TAG) changes how the file is read; leave it out"
    if isinstance(event, AliasEvent) and too_many_aliases:
        return f"the alias *{event.anchor[:LONGEST_QUOTE]} stands for values elsewhere in the file; write them out"
    if getattr(event, "tag", None) is not None:
        return f"the tag {quoted(event.tag)} asks for a type; leave it out, types follow from how values are written"
    if isinstance(event, CollectionStartEvent) and len(levels) >= DEEPEST:
        return f"more than {DEEPEST} levels of nesting; no parameter needs more than four"
    if not is_key or isinstance(event, CollectionEndEvent):
        return None
    if not isinstance(event, ScalarEvent):
        return "a key is a list or a mapping, expected a name"
    if event.value == "<<":
        return "the merge key << takes values from elsewhere; write them out"
    if level and event.value in level.seen:
        key = ".".join((*level.keys, event.value))
        return f"key {key[:LONGEST_QUOTE]} is given twice, first in line {level.seen[event.value]}; leave one out"
    return None
