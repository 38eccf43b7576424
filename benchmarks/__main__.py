"""Print all tables of docs/performance.md again: write them, or say what changed since the committed ones.

    python -m benchmarks --write [--only routines …]      replaces each block as its command ends
    python -m benchmarks --compare [--only routines …]    prints the cells that differ, and ends with 1 if one does

A block stands between comments that name its command. Pairs are timed in one process; every command runs alone, one
after another. A measured block is compared on the machine that it names alone. All together take hours: --only chooses
commands by a part of their text.
"""

import argparse
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks.compared import differences
from benchmarks.machine import machine
from benchmarks.page import PAGE, ROOT, Block, blocks, replaced


def made_again(block: Block) -> Block:
    """The block as its command prints it now, on this machine.

    Raises
    ------
    SystemExit
        The command failed; what the blocks before it printed is kept.
    """
    print(f"{block.command} …", file=sys.stderr, flush=True)
    arguments = shlex.split(block.command)[1:]
    ran = subprocess.run([sys.executable, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if ran.returncode or not ran.stdout.strip():
        raise SystemExit(f"error: {block.command} ended with {ran.returncode} and printed no table; run it alone")
    return replace(block, content=ran.stdout, machine=None if block.is_counted else machine())


def write(page: Path, only: list[str]) -> None:
    """Replace each block in the page as soon as its command ends."""
    for block in blocks(page.read_text(), only):
        page.write_text(replaced(page.read_text(), made_again(block)))


def compare(page: Path, only: list[str], share: float) -> int:
    """Print what changed; the number of cells.

    Raises
    ------
    SystemExit
        No block can be compared on this machine.
    """
    found, count = blocks(page.read_text(), only), 0
    comparable = [block for block in found if block.is_counted or block.machine == machine()]
    for block in found:
        if block not in comparable:
            print(f"Not compared: {block.command}, measured on {block.machine or 'no machine yet'}.")
    if not comparable:
        raise SystemExit(
            f"error: none of these blocks was measured on this machine, {machine()}; --write measures here"
        )
    for block in comparable:
        for line in differences(block.content, made_again(block).content, share, exact=block.is_counted):
            count += 1
            print(f"  {line}", flush=True)
    print(f"{count} cells differ from {page.name}.")
    return count


def main() -> None:
    """Write the page, or compare with it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", action="store_true", help="run the commands, and write the page")
    what.add_argument("--compare", action="store_true", help="run the commands, and say what changed")
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
