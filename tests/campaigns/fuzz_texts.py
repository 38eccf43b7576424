"""Random changes of params.yaml, and of tables whose descriptions are forged to fit; what their readers make of them.

``python -m tests.campaigns.fuzz_texts 600 FOLDER`` fuzzes for 600 seconds and keeps in FOLDER whatever ended neither
with values nor with a UserError, or took longer than ``SECONDS``.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

from sedlib.base.described.described_files import write_described
from sedlib.base.described.description import Origin
from sedlib.base.described.tables import read_table
from sedlib.base.errors import UserError
from sedlib.grokking.setup.params import Params
from sedlib.terms.tables.coupling_table import COUPLING
from sedlib.terms.tables.fourier_tables import RESTRICTED_LOSS
from tests.imports import ROOT
from tests.tiny import TINY

SECONDS = 10
PIECES = [
    *"\n\t \r\0,:-[]{}\"'#&*!|>%@`~=?<$\\;()",
    *("\x1b[2J", "\x85", "\u2028", "é", "\ud800", "\ufeff", "𝟙", "١"),
    *("nan", ".nan", "inf", "-.inf", "1e999", "1e-999", "0x10", "0o7", "1_000", "-0", "1.0", "true", "null", "~", "NA"),
    *("9" * 400, "-" * 50, "[" * 200, "a: &a [*a]", "<<: *x", "!!python/object:os.system", "? ", "- - - ", "\n---\n"),
    *('""', "''", '"a""b"', "2026-01-01", "12:30:00", "1e5", "+1", ".5", "5.", "__proto__", "$(id)", "${runs}", "../x"),
]
READ, REFUSED, FOUND = 0, 1, 2


def changed(text: str, choices: random.Random) -> bytes:
    """One to five changes."""
    found = text
    for _ in range(choices.choice([1, 1, 2, 5])):
        place = choices.randrange(len(found) + 1)
        stop = place + choices.choice([0, 0, 1, 1, 3, 10, 100])
        put = choices.choice(PIECES) if choices.random() < 0.8 else found[choices.randrange(len(found) or 1) :][:40]
        found = found[:place] + put * choices.choice([1, 1, 1, 2, 50]) + found[stop:]
    content = bytearray(found.encode("utf-8", "surrogatepass"))
    if content and choices.random() < 0.1:
        content[choices.randrange(len(content))] ^= 1 << choices.randrange(8)
    return bytes(content)


def attempt(read: Callable[[], object]) -> int:
    """``read`` in a process of its own: its exit code, or minus the signal that ended it."""
    if (child := os.fork()) == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(SECONDS)
        code = FOUND
        try:
            read()
            code = READ
        except UserError as error:
            if all(line.isprintable() for line in str(error).split("\n")):
                code = REFUSED
            else:
                print(repr(str(error)), file=sys.stderr)
        except BaseException:
            traceback.print_exc()
        sys.stderr.flush()
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(seconds: float, finds: Path, seed: int) -> None:
    """Fuzz, print a line a minute, and the table at the end."""
    choices, counts, end = random.Random(seed), Counter[str](), time.monotonic() + seconds
    finds.mkdir(parents=True, exist_ok=True)
    frozen = (ROOT / "tests/frozen/tables/version_1/add-1/coupling.csv").read_text()
    losses = "step,op,key_frequencies,key_share,loss,restricted_loss,train_loss,excluded_loss\n0,add,1 2,0.5,1,1,1,1\n"
    yaml = (ROOT / "params.yaml").read_text()
    said = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        while time.monotonic() < end:
            kind = choices.choice(["params.yaml", "params.json", "coupling.csv", "restricted_loss.csv"])
            if kind.startswith("params"):
                content = changed(yaml if kind == "params.yaml" else json.dumps(TINY), choices)
                Path("params.yaml").write_bytes(content)
                code = attempt(Params.load)
            else:
                schema, text = (COUPLING, frozen) if kind == "coupling.csv" else (RESTRICTED_LOSS, losses)
                content, path = changed(text, choices), Path("add-1", kind)
                path.parent.mkdir(exist_ok=True)
                write_described(path, content, schema, Origin("add-1"), **_about(schema, content))
                code = attempt(partial(read_table, path, schema, "x@add-1", Origin("add-1")))
            what = {READ: "read", REFUSED: "refused", FOUND: "found"}.get(code, f"signal {-code}")
            counts[f"{kind} {what}"] += 1
            if code not in (READ, REFUSED):
                (finds / f"{counts.total()}-{kind}").write_bytes(content)
            if time.monotonic() > said + 60:
                said = time.monotonic()
                print(dict(counts), flush=True)
    print(dict(counts), flush=True)


def _about(schema: object, content: bytes) -> dict[str, object]:
    """What a forger writes of a table: as much as the reader compares."""
    fields = [column.field for column in schema.columns]  # type: ignore[attr-defined]
    key = list(schema.key)  # type: ignore[attr-defined]
    return {
        "rows": content.count(b"\n") - 1,
        "schema": {"fields": fields, "primaryKey": key, "missingValues": [""]},
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seconds", type=float)
    parser.add_argument("finds", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    main(**vars(parser.parse_args()))
