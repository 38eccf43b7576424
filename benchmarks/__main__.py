"""Measure all tables of docs/performance.md again: write them, or say what changed since the committed ones.

    python -m benchmarks --write [--only routines …]      replaces each block as its command ends
    python -m benchmarks --compare [--only routines …]    prints the cells that differ, and ends with 1 if one does

A block stands between comments that name its command. Pairs are timed in one process; every command runs alone, one
after another. All together take hours: --only chooses commands by a part of their text.
"""

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

from benchmarks.compared import differences
from benchmarks.machine import machine
from benchmarks.page import PAGE, ROOT, Block, blocks, replaced


def measured(block: Block) -> Block:
    """The block as its command prints it now.

    Raises
    ------
    SystemExit
        The command failed; what the blocks before it measured is kept.
    """
    print(f"{block.command} …", file=sys.stderr, flush=True)
    arguments = shlex.split(block.command)[1:]
    ran = subprocess.run([sys.executable, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if ran.returncode or not ran.stdout.strip():
        raise SystemExit(f"error: {block.command} ended with {ran.returncode} and printed no table; run it alone")
    return Block(block.command, ran.stdout)


def write(page: Path, only: list[str]) -> None:
    """Replace each block in the page as soon as it is measured."""
    for block in blocks(page.read_text(), only):
        page.write_text(replaced(page.read_text(), measured(block)))


def compare(page: Path, only: list[str], share: float) -> int:
    """Print what changed; the number of cells."""
    text = page.read_text()
    is_other = machine() not in text
    if is_other:
        print(f"The page was measured on another machine than {machine()}: ratios alone are compared.")
    count = 0
    for block in blocks(text, only):
        for line in differences(block.content, measured(block).content, share, ratios_alone=is_other):
            count += 1
            print(f"  {line}", flush=True)
    print(f"{count} cells differ from {page.name}.")
    return count


def main() -> None:
    """Write the page, or compare with it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", action="store_true", help="measure, and write the page")
    what.add_argument("--compare", action="store_true", help="measure, and say what changed")
    parser.add_argument("--only", nargs="+", default=[""], help="commands that contain one of these")
    parser.add_argument("--share", type=float, default=0.25, help="by which two single numbers must differ")
    parser.add_argument("--page", type=Path, default=PAGE)
    given = parser.parse_args()
    if given.write:
        write(given.page, given.only)
    elif compare(given.page, given.only, given.share):
        sys.exit(1)


if __name__ == "__main__":
    main()
