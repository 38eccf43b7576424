"""Random changes of sealed HDF5 files, of their bytes or by h5py, and what the reader makes of each.

``python -m tests.campaigns.fuzz_hdf5 600 FOLDER`` fuzzes for 600 seconds and keeps in FOLDER whatever ended neither
with values nor with an ArtifactError. HDF5 is a library in C: a file can make it crash, or run for ever.
"""

import argparse
import os
import random
import resource
import signal
import struct
import sys
import tempfile
import time
import traceback
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from sedlib.base.hdf5 import rehearsal
from sedlib.base.hdf5.seal import USER_BLOCK, seal
from sedlib.base.hdf5.store import ArtifactError
from tests.campaigns.sample import SCHEMA, write_sample, write_sealed

SECONDS = 8
"""Of a trial, at most."""
MEMORY = 2**30
"""Bytes that a trial may take."""
NUMBERS = (0, 1, 2, 7, 8, 127, 128, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63 - 1, 2**64 - 1)
REBUILT = 0.4
"""Share of the trials whose file is changed by h5py, not byte by byte."""
ACCEPTED, REFUSED, TRACEBACK = 0, 1, 2


def changed(content: bytes, places: list[int], choices: random.Random) -> bytes:
    """One to four changes of ``content``, most of them at ``places``."""
    found = bytearray(content)
    for _ in range(choices.choice([1, 1, 1, 2, 4])):
        place = choices.choice(places) if choices.random() < 0.95 else choices.randrange(len(found))
        match choices.randrange(6):
            case 0:
                found[place] ^= 1 << choices.randrange(8)
            case 1:
                found[place] = choices.randrange(256)
            case 2:
                size, code = choices.choice([(1, "B"), (2, "H"), (4, "I"), (8, "Q")])
                packed = struct.pack(f"<{code}", choices.choice(NUMBERS) % 2 ** (8 * size))
                found[place : place + size] = packed[: len(found) - place]
            case 3:  # an address, of anything in the file
                packed = struct.pack("<Q", choices.choice(places) // 8 * 8)
                place = place // 8 * 8
                found[place : place + 8] = packed[: len(found) - place]
            case 4:
                other, size = choices.choice(places), choices.choice([8, 16, 24, 40, 96])
                found[place : place + size] = found[other : other + size][: len(found) - place]
            case _:
                size = choices.choice([1, 8, 64, 512])
                found[place : place + size] = bytes(min(size, len(found) - place))
    return bytes(found[: choices.randrange(len(found))]) if choices.random() < 0.01 else bytes(found)


def rebuilt(path: Path, choices: random.Random) -> None:
    """One to four changes of a sound file by what h5py offers; what it refuses is left out."""
    with h5py.File(path, "r+") as file:
        for _ in range(choices.choice([1, 1, 2, 4])):
            with suppress(Exception):
                _rebuild(file, choices)


def _rebuild(file: h5py.File, choices: random.Random) -> None:
    names = ["steps", "rows", "rows/half", "rows/whole", "parts", "parts/x", "parts/chosen", "/"]
    name, other = choices.choice(names), choices.choice([*names, "new", "a/b/c", "x\n", ".", "é", "\x1b[2J"])
    shape = tuple(choices.choice([0, 1, 2, 3, 4, 2**20, 2**40]) for _ in range(choices.randrange(4)))
    dtype = choices.choice(["f2", "f4", "f8", ">f8", "i8", ">i8", "u8", "?", "c8", "S3", "V4", h5py.string_dtype()])
    match choices.randrange(9):
        case 0:
            del file[name]
        case 1:
            file.move(name, other)
        case 2:
            file[other] = choices.choice([file[name], h5py.SoftLink(name), h5py.ExternalLink("x.h5", name)])
        case 3:
            del file[name]
            chunks = choices.choice([None, True, tuple(min(4, length or 1) for length in shape)])
            filters: list[dict[str, Any]] = [{}, {"compression": "gzip"}, {"fletcher32": True}, {"fillvalue": 1}]
            options = choices.choice(filters)
            file.create_dataset(name, shape, dtype, chunks=chunks, maxshape=choices.choice([None, shape]), **options)
        case 4:
            text = choices.choice(["x", "", "x" * 70_000, "\udcff", '["steps"]', "{}", "sample/1", "\0"])
            value = choices.choice([text, text, 1, np.zeros(3), np.bytes_(b"x"), h5py.Empty("f4")])
            file[name].attrs[choices.choice(["axes", "schema", "run", "layout", "settings", "more"])] = value
        case 5:
            file[name].resize(shape)
        case 6:
            values = file[name][...]
            values[...] = choices.choice([0, -1, 1, 2**62, np.nan, np.inf, 1e300])
            file[name][...] = values
        case 7:
            file.copy(name, other)
        case _:
            del file[name].attrs[choices.choice(list(file[name].attrs))]


def attempt(path: Path) -> int:
    """Open and read a file in a process of its own; its exit code, or minus the signal that ended it."""
    if (child := os.fork()) == 0:
        signal.alarm(SECONDS)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_AS, (_in_use() + MEMORY,) * 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        try:
            code = _read(path)
        except BaseException:
            traceback.print_exc()
            code = TRACEBACK
        sys.stderr.flush()
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _read(path: Path) -> int:
    try:
        with SCHEMA.open(path) as file:
            for name in SCHEMA.datasets:
                file[name][:]
    except ArtifactError as error:
        if len(str(error).splitlines()) > 1 or not str(error).isprintable():
            raise AssertionError(f"message {str(error)!r}") from error
        return REFUSED
    return ACCEPTED


def _in_use() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def metadata(path: Path) -> list[int]:
    """Offsets from the end of the user block that are of no dataset's values, nor in empty space."""
    values: set[int] = set()
    content = path.read_bytes()
    with h5py.File(path) as file:
        for name in SCHEMA.datasets:
            stored = file[name].id
            if stored.get_offset() is not None:
                values.update(range(stored.get_offset(), stored.get_offset() + stored.get_storage_size()))
            elif file[name].chunks:
                for number in range(stored.get_num_chunks()):
                    chunk = stored.get_chunk_info(number)
                    values.update(range(chunk.byte_offset, chunk.byte_offset + chunk.size))
    used = [place for place in range(USER_BLOCK, len(content)) if any(content[place - 8 : place + 8])]
    return [place - USER_BLOCK for place in used if place not in values]


def main(seconds: float, finds: Path, seed: int) -> None:
    """Fuzz, print a line a minute, and the table at the end."""
    rehearsal.SECONDS = 1.0
    choices, counts, end = random.Random(seed), Counter[str](), time.monotonic() + seconds
    finds.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "sample.h5")
        write_sample(path)
        content, places = path.read_bytes()[USER_BLOCK:], metadata(path)
        said = time.monotonic()
        while time.monotonic() < end:
            if choices.random() < REBUILT:
                write_sealed(path, content)
                rebuilt(path, choices)
                seal(path)
                mutated = path.read_bytes()[USER_BLOCK:]
            else:
                mutated = changed(content, places, choices)
                write_sealed(path, mutated)
            code = attempt(path)
            what = {ACCEPTED: "read", REFUSED: "refused", TRACEBACK: "traceback"}.get(code, f"signal {-code}")
            counts[what] += 1
            if code not in (ACCEPTED, REFUSED) and counts[what] <= 200:
                (finds / f"{what.replace(' ', '-')}-{seed}-{counts.total()}").write_bytes(mutated)
            if time.monotonic() > said + 60:
                said = time.monotonic()
                print(dict(counts), flush=True)
    print(dict(counts), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seconds", type=float)
    parser.add_argument("finds", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    main(**vars(parser.parse_args()))
