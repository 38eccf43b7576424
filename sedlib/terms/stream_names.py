"""Names of row streams: the loss gradient of each task, their total, the update, and the ladder between them."""

from dataclasses import dataclass

from sedlib.base.errors import UserError

GRADIENT, UPDATE, LADDER, TOTAL = "gradient", "update", "ladder", "total"


@dataclass(frozen=True)
class StreamName:
    """A stream's kind, and which one of that kind it is.

    >>> StreamName(GRADIENT, "add").text
    'gradient/add'
    >>> StreamName.of("gradient/add").task, StreamName.of("gradient/total").task, StreamName.of("update").task
    ('add', None, None)
    """

    kind: str
    part: str | None = None
    """The task of a gradient, or ``total``; the rung of the ladder; none of an update."""

    @classmethod
    def of(cls, text: str) -> "StreamName":
        """The name as files and tables have it, taken apart.

        Raises
        ------
        UserError
            There is no such kind of stream.
        """
        kind, slash, part = text.partition("/")
        if kind not in (GRADIENT, UPDATE, LADDER) or bool(part) != bool(slash) or (kind == UPDATE) == bool(part):
            raise UserError(f"{text!r} names no stream: expected update, gradient/TASK, gradient/total or ladder/RUNG")
        return cls(kind, part or None)

    @property
    def text(self) -> str:
        """The name as files and tables have it."""
        return self.kind if self.part is None else f"{self.kind}/{self.part}"

    @property
    def task(self) -> str | None:
        """The task whose loss the stream belongs to; none for a stream that all tasks share."""
        return self.part if self.kind == GRADIENT and self.part != TOTAL else None


def gradient_of(task: str) -> str:
    """Name of the stream of one task's gradients."""
    return StreamName(GRADIENT, task).text


TOTAL_GRADIENT = StreamName(GRADIENT, TOTAL).text


def ladder_stream(rung: str) -> str:
    """Name of the stream of one rung of the ladder."""
    return StreamName(LADDER, rung).text
