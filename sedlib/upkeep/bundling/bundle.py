"""`sedlib bundle`: what others start from, of some runs, in one file."""

import hashlib
import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from dvc.output import Output

from sedlib.base.atomic import replacing
from sedlib.base.commands.replaceable import require_replaceable
from sedlib.base.errors import UserError, quoted
from sedlib.base.nearest import nearest
from sedlib.base.progress import say, track
from sedlib.upkeep.bundling.locked_files import LOCK, content_hash, held, locked_files, locked_repository, size
from sedlib.upkeep.tar_blocks import BLOCK, END, ArchiveError, header, padding, read_header

OF_A_RUN = re.compile(r"artifacts/(?P<kind>\w+)/(?P<run>[\w-]+)(?:\.h5|\.json|/.+)", re.ASCII)
GRADIENTS = "artifacts/gradients/"
CHUNK = 2**20


def bundle(runs: Sequence[str], target: Path, checkpoints: bool) -> None:
    """Write dvc.lock, dumps, bases, centroids and tables of some runs into one archive; equal files give equal bytes.

    Parameters
    ----------
    checkpoints
        Whether their checkpoints come along.

    Raises
    ------
    UserError
        The lock does not name a run's dump; a file is not here, or not what the lock says; or the target is something
        else than a bundle, or cannot be written.
    """
    with locked_repository() as repo:
        require_replaceable(target, _is_bundle, BLOCK, "is no bundle")
        files = _chosen(locked_files(repo), runs, checkpoints)
        lock = LOCK.read_bytes()
        headers = {name: _header(name, size(output)) for name, output in files.items()}
        with held(repo, files.values(), []), replacing(target) as temporary, temporary.open("wb") as archive:
            archive.write(_header(LOCK.as_posix(), len(lock)) + lock + padding(len(lock)))
            for name in track(files, len(files), "bundling", str):
                archive.write(headers[name])
                _copy(name, files[name], archive)
                archive.write(padding(size(files[name])))
            archive.write(END)
    say(f"{target}: {LOCK} and {len(files)} files, {target.stat().st_size:,} bytes")
    say(f"Others, in a clone of this commit: sedlib unbundle {shlex.quote(target.name)}")
    if subprocess.run(["git", "diff", "--quiet", "HEAD", "--", LOCK], capture_output=True, check=False).returncode:
        say(f"{LOCK} is not that of the last commit: commit it, or no clone has these hashes")


def _is_bundle(begins: bytes) -> bool:
    try:
        return read_header(begins)[0] == LOCK.as_posix()
    except ArchiveError:
        return False


def _chosen(every: Mapping[str, Output], runs: Sequence[str], checkpoints: bool) -> dict[str, Output]:
    by_run: dict[str, dict[str, Output]] = {}
    for name, output in every.items():
        if (found := OF_A_RUN.fullmatch(name)) and (checkpoints or found["kind"] != "checkpoints"):
            by_run.setdefault(found["run"], {})[name] = output
    dumped = [run for run, files in by_run.items() if any(name.startswith(GRADIENTS) for name in files)]
    if unknown := [run for run in runs if run not in dumped]:
        raise UserError(f"{LOCK} has no dump of {quoted(unknown[0])}; it has those of {nearest(unknown[0], dumped)}")
    chosen = {name: output for name, output in sorted(every.items()) if any(name in by_run[run] for run in runs)}
    if missing := [name for name in chosen if not Path(name).is_file()]:
        raise UserError(
            f"{len(missing)} of {len(chosen)} files are not here, the first is {missing[0]}: compute them with `dvc "
            f"repro {' '.join(f'figures@{run}' for run in dict.fromkeys(runs))}`, or fetch them with `dvc pull`"
        )
    return chosen


def _header(name: str, length: int) -> bytes:
    try:
        return header(name, length)
    except ArchiveError as error:
        raise UserError(f"{error}: at most 8 GiB a file, and ASCII letters in its name") from error


def _copy(name: str, output: Output, archive: BinaryIO) -> None:
    """Copy a file that is what the lock says, to the byte: another process may write it meanwhile."""
    digest, left = hashlib.md5(usedforsecurity=False), size(output)
    with Path(name).open("rb") as file:
        while left and (chunk := file.read(min(CHUNK, left))):
            digest.update(chunk)
            archive.write(chunk)
            left -= len(chunk)
        left += len(file.read(1))
    if left or digest.hexdigest() != content_hash(output):
        raise UserError(
            f"{name} is not what {LOCK} says: `dvc repro`, or `sedlib verify --fix {name}` if it is damaged"
        )
