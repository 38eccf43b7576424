"""The measured blocks of a page, each between two comments that name the command which prints it."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/performance.md"
BLOCK = re.compile(r"<!-- measured: (?P<command>.+?) -->\n(?P<content>.*?)\n?<!-- /measured -->", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A command, and what it printed."""

    command: str
    content: str

    @property
    def text(self) -> str:
        """As it stands in the page."""
        return f"<!-- measured: {self.command} -->\n\n{self.content.strip()}\n\n<!-- /measured -->"


def blocks(page: str, only: list[str]) -> list[Block]:
    """Those of a page whose command contains one of ``only``.

    Raises
    ------
    SystemExit
        There is none.
    """
    found = [Block(match["command"], match["content"]) for match in BLOCK.finditer(page)]
    chosen = [block for block in found if any(part in block.command for part in only)]
    if not chosen:
        known = "\n  ".join(block.command for block in found)
        raise SystemExit(f"error: no measured block has {' or '.join(only)} in its command; there are:\n  {known}")
    return chosen


def replaced(page: str, block: Block) -> str:
    """The page with another content of the block of that command."""
    return BLOCK.sub(lambda match: block.text if match["command"] == block.command else match[0], page)
