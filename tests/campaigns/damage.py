"""Damages every kind of file of a computed tiny pipeline, one at a time, and looks at what reads it.

``python -m tests.campaigns.damage FOLDER 1000`` takes a clone with the tiny parameters in which everything is computed
(``python -m tests.campaigns.computed FOLDER``), flips a bit, cuts an end off or zeroes a block, and prints the table:

========  ============================================================================
clear     a message in one line names the file, or DVC refuses it
harmless  the same values were read, or DVC sees a change and computes the stage again
lost      work of a snapshot is computed again without a word
wrong     other values were read, or a traceback, or a crash
========  ============================================================================
"""

import argparse
import hashlib
import importlib.util
import io
import os
import random
import shutil
import signal
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
from dvc.repo import Repo

from sedlib.base.errors import UserError
from sedlib.base.machine.hardware import configure
from sedlib.grokking.setup.experiment import Experiment
from sedlib.grokking.setup.fingerprint import require_current_run
from sedlib.grokking.setup.params import Params
from sedlib.grokking.study import Grokking
from sedlib.pipeline.centroids.centroid_file import open_centroids
from sedlib.pipeline.code.current import require_current_code
from sedlib.pipeline.rows.bases_file import open_bases
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.pipeline.rows.networks import MeasuredNetworks
from sedlib.pipeline.workspace import Workspace

RUN = "both-1"
SECONDS = 60
Read = Callable[[], str]
"""What a reader makes of the files, as a text; it is called in the folder."""


def damaged(content: bytes, choices: random.Random) -> tuple[str, bytes]:
    """The kind of damage, and other bytes than ``content``."""
    found = bytearray(content)
    place = choices.randrange(len(content))
    kind = choices.choice(["flip", "flip", "end lost", "zeros"])
    if kind == "flip":
        found[place] ^= 1 << choices.randrange(8)
    elif kind == "end lost":
        del found[place:]
    else:
        size = choices.choice([1, 16, 512, 4096])
        found[place : place + size] = bytes(min(size, len(found) - place))
    return (kind, bytes(found)) if bytes(found) != content else damaged(content, choices)


def digest(file: h5py.File) -> str:
    """Of all values and texts of a file."""
    found = [repr(sorted(file.attrs.items()))]
    file.visititems(lambda name, node: found.append(name + repr(node[:].tobytes())) if hasattr(node, "dtype") else None)
    return hashlib.sha256("".join(found).encode()).hexdigest()


def read_checkpoints() -> str:
    """As dump does."""
    with RunCheckpoints.open(Workspace(RUN).checkpoints, Grokking.of_run(RUN), configure()) as opened:
        return digest(opened.file)


def read_gradients(path: Path | None = None) -> str:
    """As all later stages do."""
    with MeasuredNetworks.open(path or Workspace(RUN).gradients, Grokking.of_run(RUN), configure()) as opened:
        return digest(opened.file)


def read_bases() -> str:
    """As coupling does."""
    with open_bases(Workspace(RUN).bases, Grokking.of_run(RUN)) as opened:
        return digest(opened)


def read_centroids() -> str:
    """As fourier does."""
    with (
        MeasuredNetworks.open(Workspace(RUN).gradients, Grokking.of_run(RUN), configure()) as networks,
        open_centroids(Workspace(RUN).centroids, networks) as opened,
    ):
        return digest(opened)


def read_results() -> str:
    """As the report does, which reads every table."""
    found: list[Any] = []
    report = script("report")
    vars(report)["write_report"] = lambda collection, _: found.append(collection)
    report.main()
    everything = [vars(run) for run in found[0].runs.values()], {**vars(found[0]), "runs": None}
    return repr(everything) + "".join(table.to_csv() for table in tables(everything))


def tables(value: Any) -> Iterator[Any]:
    """Every table in nested values."""
    if hasattr(value, "to_csv"):
        yield value
    elif isinstance(value, dict):
        yield from (table for held in value.values() for table in tables(held))
    elif isinstance(value, list | tuple):
        yield from (table for held in value for table in tables(held))
    elif hasattr(value, "__dict__"):
        yield from tables(vars(value))


def train_again() -> str:
    """As training does that was stopped, of which snapshots are left; without them it has to say so."""
    run, printed = Workspace(RUN), io.StringIO()
    run.checkpoints.unlink()
    for marker in Path(os.environ["SEDLIB_SNAPSHOTS"]).glob("*/finished"):
        marker.unlink()
    with redirect_stderr(printed):
        script("train").main(run)
    if "damaged" in printed.getvalue() or "not used" in printed.getvalue():
        raise UserError("said that a snapshot is not used")
    resumed = "from step" in printed.getvalue()
    return f"{resumed} {hashlib.sha256(run.checkpoints.read_bytes()).hexdigest()}"


def guarded() -> str:
    """As every stage does before it starts."""
    require_current_code("stages/train.py")
    require_current_code("stages/coupling.py")
    require_current_run(RUN, Experiment.load(RUN))
    return ""


def read_params() -> str:
    """A digit that became another is another parameter, and DVC sees it."""
    Params.load()
    return ""


def status() -> str:
    """What DVC says that is changed, it runs again."""
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            Repo(".").status()
    except Exception as error:  # of which its command line prints a line, too
        raise UserError(" ".join(str(error).split())) from error
    return ""


def script(name: str) -> ModuleType:
    """The module of a stage's script."""
    specification = importlib.util.spec_from_file_location(f"stage_{name}", Path("stages", f"{name}.py"))
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def kinds(folder: Path) -> dict[str, tuple[list[Path], Read]]:
    """Files of every kind, and what reads them."""
    artifacts = folder / "artifacts"
    found: dict[str, tuple[list[Path], Read]] = {
        "checkpoints": ([artifacts / f"checkpoints/{RUN}.h5"], read_checkpoints),
        "gradients, float32": ([artifacts / f"gradients/{RUN}.h5"], read_gradients),
        "bases": ([artifacts / f"bases/{RUN}.h5"], read_bases),
        "centroids": ([artifacts / f"centroids/{RUN}.h5"], read_centroids),
        "tables": (sorted((artifacts / "results").rglob("*.csv")), read_results),
        "descriptions": (sorted((artifacts / "results").rglob("*.resource.json")), read_results),
        "summary": (sorted((artifacts / "results").rglob("summary.json")), read_results),
        "snapshots": (sorted((artifacts / "snapshots").rglob(f"train-{RUN}-*/0*")), train_again),
        "texts of code and runs": ([artifacts / "code/train.txt", artifacts / f"setup/{RUN}.txt"], guarded),
        "params.yaml": ([folder / "params.yaml"], read_params),
        "dvc.yaml": ([folder / "dvc.yaml", folder / "geometry/dvc.yaml"], status),
        "dvc.lock": ([folder / "dvc.lock"], status),
    }
    for dtype in ("float16", "bfloat16"):
        path = artifacts / f"gradients/{dtype}/{RUN}.h5"
        found[f"gradients, {dtype}"] = ([path], lambda path=path: read_gradients(path))  # type: ignore[misc]
    return found


@contextmanager
def kept(paths: list[Path]) -> Iterator[None]:
    """Files that are as they were afterwards."""
    before = {path: path.read_bytes() for path in paths}
    try:
        yield
    finally:
        for path, content in before.items():
            path.unlink(missing_ok=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def attempt(folder: Path, read: Read) -> tuple[str, str]:
    """``read`` in a process of its own: what it ended with, and its text."""
    receiving, sending = os.pipe()
    if (child := os.fork()) == 0:
        os.close(receiving)
        os.chdir(folder)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(SECONDS)
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        try:
            what, text = "read", read()
        except UserError as error:
            what, text = "clear", str(error)
        except BaseException:
            what, text = "traceback", traceback.format_exc()
        with os.fdopen(sending, "w") as file:
            file.write(f"{what}\n{text}")
        os._exit(0)
    os.close(sending)
    with os.fdopen(receiving) as file:
        what, _, text = file.read().partition("\n")
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return (what, text) if code == 0 else ("crash", f"signal {-code}")


def main(folder: Path, trials: int, seed: int) -> None:
    """Print a line for each wrong outcome, and the table."""
    choices, counts = random.Random(seed), Counter[tuple[str, str]]()
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name, "copy")
        shutil.copytree(folder, copy, symlinks=True)
        os.environ["SEDLIB_SNAPSHOTS"] = str(copy / "artifacts/snapshots")
        every = kinds(copy)
        outputs = [path for paths, _ in every.values() for path in paths]
        expected = {}
        for kind, (_, read) in every.items():
            with kept(outputs):
                expected[kind] = attempt(copy, read)
            assert expected[kind][0] == "read", (kind, expected[kind])
        for number in range(trials):
            kind = list(every)[number % len(every)]
            paths, read = every[kind]
            with kept(outputs):
                path = choices.choice(paths)
                how, content = damaged(path.read_bytes(), choices)
                path.unlink()
                path.write_bytes(content)
                outcome = judged(*attempt(copy, read), expected[kind][1])
            counts[kind, outcome[0]] += 1
            if outcome[0] in ("lost", "wrong"):
                print(f"{outcome[0]}: {path.relative_to(copy)}, {how}: {outcome[1][-600:]}", flush=True)
    for kind in every:
        row = [counts[kind, what] for what in ("clear", "harmless", "lost", "wrong")]
        print(f"| {kind} | {sum(row)} | {' | '.join(map(str, row))} |")


def judged(what: str, text: str, expected: str) -> tuple[str, str]:
    """The outcome, and what there is to say of it."""
    if what == "clear":
        return ("clear", text) if text.isprintable() or text.count("\n") < 6 else ("wrong", text)
    if what == "read":
        if text == expected:
            return "harmless", ""
        if text.removeprefix("False") == expected.removeprefix("True"):
            return "lost", text
    return "wrong", text


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("trials", type=int)
    parser.add_argument("--seed", type=int, default=0)
    main(**vars(parser.parse_args()))
