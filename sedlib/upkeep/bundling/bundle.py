"""`sedlib bundle`: what others start from, of some runs, in one file."""

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from dvc.fs import localfs
from dvc.output import Output

from sedlib.base.atomic import replacing
from sedlib.base.errors import UserError, quoted
from sedlib.base.nearest import nearest
from sedlib.base.progress import say, track
from sedlib.upkeep.bundling.locked_files import LOCK, content_hash, locked_files, locked_repository, size
from sedlib.upkeep.kept import is_whole
from sedlib.upkeep.tar_blocks import END, ArchiveError, header, padding

OF_A_RUN = re.compile(r"artifacts/(?P<kind>\w+)/(?P<run>[\w-]+)(?:\.h5|\.json|/.+)", re.ASCII)
GRADIENTS = "artifacts/gradients/"


def bundle(runs: Sequence[str], target: Path, checkpoints: bool) -> None:
    """Write dvc.lock, dumps, bases, centroids and tables of some runs into one archive; equal files give equal bytes.

    Parameters
    ----------
    checkpoints
        Whether their checkpoints come along.

    Raises
    ------
    UserError
        The locks do not name a run's files; one is not here, or is not what they say; or nothing can be written.
    """
    with locked_repository() as repo:
        files = _chosen(locked_files(repo), runs, checkpoints)
        for name, output in track(files.items(), len(files), "checking", lambda item: item[0]):
            _require_whole(name, output)
        with replacing(target) as temporary:
            _write(temporary, files)
    say(f"{target}: {LOCK} and {len(files)} files, {target.stat().st_size:,} bytes")
    say(f"Others, in a clone of this commit: make pull-gradients BUNDLE={target}")


def _chosen(every: Mapping[str, Output], runs: Sequence[str], checkpoints: bool) -> dict[str, Output]:
    by_run: dict[str, dict[str, Output]] = {}
    for name, output in every.items():
        if (found := OF_A_RUN.fullmatch(name)) and (checkpoints or found["kind"] != "checkpoints"):
            by_run.setdefault(found["run"], {})[name] = output
    dumped = [run for run, files in by_run.items() if any(name.startswith(GRADIENTS) for name in files)]
    if unknown := [run for run in runs if run not in dumped]:
        raise UserError(f"{LOCK} has no dump of {quoted(unknown[0])}; it has those of {nearest(unknown[0], dumped)}")
    return {name: output for name, output in sorted(every.items()) if any(name in by_run[run] for run in runs)}


def _require_whole(name: str, output: Output) -> None:
    if not Path(name).is_file():
        raise UserError(f"{name} is not here: fetch it with `dvc pull {name}`, or compute it with `dvc repro`")
    if not is_whole(localfs, name, content_hash(output)):
        raise UserError(
            f"{name} is not what {LOCK} says: run `dvc repro`, or `sedlib verify --fix {name}` if it is damaged"
        )


def _write(target: Path, files: Mapping[str, Output]) -> None:
    with target.open("wb") as archive:
        for path, length in [(LOCK, LOCK.stat().st_size), *((Path(name), size(files[name])) for name in files)]:
            try:
                archive.write(header(path.as_posix(), length))
            except ArchiveError as error:
                raise UserError(f"{path} cannot be bundled, found {error}") from error
            with path.open("rb") as file:
                shutil.copyfileobj(file, archive, 2**20)
            archive.write(padding(length))
        archive.write(END)
