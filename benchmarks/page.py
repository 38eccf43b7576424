"""The blocks of a page that commands print, each between two comments that name its command.

A ``measured`` block says on which machine; a ``counted`` one follows from the repository's files, wherever it is made.
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/performance.md"
BLOCK = re.compile(
    r"<!-- (?P<kind>measured|counted): (?P<command>.+?) -->\s*"
    r"(?:Measured on (?P<machine>[^\n]+)\.\n)?(?P<content>.*?)\n?<!-- /(?P=kind) -->",
    re.DOTALL,
)
NOT_YET = "Not measured yet."
"""Content of a block whose command nobody has run."""


@dataclass(frozen=True)
class Block:
    """A command, and what it printed; the machine of a measured block."""

    command: str
    content: str
    machine: str | None = None
    kind: str = "measured"

    @property
    def is_counted(self) -> bool:
        """Whether every machine prints the same."""
        return self.kind == "counted"

    @property
    def text(self) -> str:
        """As it stands in the page."""
        machine = [f"Measured on {self.machine}."] if self.machine else []
        parts = [f"<!-- {self.kind}: {self.command} -->", *machine, self.content.strip(), f"<!-- /{self.kind} -->"]
        return "\n\n".join(parts)


def blocks(page: str, only: list[str]) -> list[Block]:
    """Those of a page whose command contains one of ``only``.

    Raises
    ------
    SystemExit
        There is none.
    """
    found = [
        Block(match["command"], match["content"], match["machine"], match["kind"]) for match in BLOCK.finditer(page)
    ]
    chosen = [block for block in found if any(part in block.command for part in only)]
    if not chosen:
        known = "\n  ".join(block.command for block in found)
        raise SystemExit(f"error: no block has {' or '.join(only)} in its command; there are:\n  {known}")
    return chosen


def replaced(page: str, block: Block) -> str:
    """The page with another content of the block of that command."""
    return BLOCK.sub(lambda match: block.text if match["command"] == block.command else match[0], page)
