"""Starts two commands at once, in every pairing, on the tiny model; then `dvc repro`, where it fails `sedlib repair`.

``python -m tests.campaigns.pairs`` prints a line for each pairing and the table:

========  ==================================================================================================
harmless  both did what they do alone, and the next `dvc repro` gives the bytes of a run that nothing disturbed
clear     one of them said in a sentence why it does not go on, and the next `dvc repro` gives those bytes
wrong     anything else: other bytes, a traceback, a temporary file that stays
========  ==================================================================================================
"""

import argparse
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from itertools import combinations_with_replacement
from pathlib import Path

from tests.clone import Clone, copied
from tests.stage_kills import leftovers, results

TARGET = "coupling@add-1"
WINDOW = {"window": 2}
"""Makes bases and coupling stale, in a clone where everything else is finished."""
COMMANDS = {
    "dvc repro": ["dvc", "repro", TARGET],
    "sedlib repro": ["sedlib", "repro", TARGET],
    "dvc exp run": ["dvc", "exp", "run", "--temp", "-S", "rank=1", TARGET],
    "dvc exp run --queue": ["dvc", "exp", "run", "--queue", "-S", "rank=1", TARGET],
    "dvc push": ["dvc", "push", "-r", "there"],
    "dvc gc": ["dvc", "gc", "--workspace", "--force"],
    "sedlib verify": ["sedlib", "verify"],
    "sedlib repair": ["sedlib", "repair"],
    "stages/bases.py": ["python", "stages/bases.py", "--run", "add-1"],
    "stages/coupling.py": ["python", "stages/coupling.py", "--run", "add-1"],
}
APART = 0.7
"""Seconds between the two starts: the second meets the first at work."""


def prepared(folder: Path) -> tuple[Clone, dict[str, bytes]]:
    """A clone in which two stages are stale, and what they give."""
    clone = copied(folder / "clone")
    clone.repro("code", TARGET)
    clone.set(**WINDOW)
    clone.call("dvc", "remote", "add", "there", str(folder / "remote"))
    clone.commit()
    finished = Clone(folder / "finished")
    shutil.copytree(clone.folder, finished.folder, symlinks=True)
    finished.repro(TARGET)
    return clone, results(finished)


def play(pair: tuple[str, str], clone: Clone, expected: dict[str, bytes], folder: Path) -> tuple[str, str]:
    """Both at once, in a copy; the outcome, and what was said."""
    tried = Clone(folder / "tried")
    shutil.copytree(clone.folder, tried.folder, symlinks=True)
    try:
        ended = list(_both(pair, tried))
        said = "; ".join(f"{name}: {text.strip().splitlines()[-1]}" for name, code, text in ended if code)
        if traced := [text for _, _, text in ended if "Traceback (most recent call last)" in text]:
            return "wrong", traced[0]
        if left := leftovers(tried):
            return "wrong", f"left: {left}"
        again = tried.call("dvc", "repro", TARGET)
        if again.returncode:
            said += f"; {again.stderr.strip().splitlines()[-1]}; {tried.call('sedlib', 'repair').stderr.strip()}"
            again = tried.call("dvc", "repro", TARGET)
        if again.returncode:
            return "wrong", f"{said}; {again.stdout}{again.stderr}"
        if differing := [name for name, content in expected.items() if results(tried).get(name) != content]:
            return "wrong", f"{said}; other bytes in {differing}"
        return ("clear" if said else "harmless"), said
    finally:
        shutil.rmtree(tried.folder)


def _both(pair: tuple[str, str], clone: Clone) -> Iterator[tuple[str, int, str]]:
    """Name, exit status and output of each."""
    running = []
    for name in pair:
        running.append(
            subprocess.Popen(
                COMMANDS[name],
                cwd=clone.folder,
                env=clone.environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        time.sleep(APART)
    for name, process in zip(pair, running, strict=True):
        output, _ = process.communicate()
        yield name, process.returncode, output


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=COMMANDS, action="append", help="pairings with this command alone")
    only = set(parser.parse_args().only or COMMANDS)
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        clone, expected = prepared(Path(name))
        for pair in combinations_with_replacement(COMMANDS, 2):
            if only.isdisjoint(pair):
                continue
            outcome, said = play(pair, clone, expected, Path(name))
            counts[outcome] += 1
            print(" | ".join([*pair, outcome, said]), flush=True)
    print("\n| pairings | clear | harmless | wrong |\n|---|---|---|---|")
    print(f"| {counts.total()} | {counts['clear']} | {counts['harmless']} | {counts['wrong']} |")


if __name__ == "__main__":
    main()
