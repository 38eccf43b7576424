"""The process that runs one stage in its throw-away clone, the working directory.

It imports nothing of sedlib: in a clone of this repository that would be the clone's.
"""

import json
import sys
from pathlib import Path
from typing import Any

from configobj import ConfigObj
from dvc.cli import main as dvc
from dvc.config import Config, _pack_named, merge  # the writer of a configuration's sections is not public
from dvc.exceptions import DownloadError
from dvc.fs import localfs
from dvc.repo import Repo, lock_repo
from dvc.stage.loader import StageLoader
from dvc.utils.serialize import load_yaml

RESULT = "sedlib-result.json"


def main(specification: Path) -> int:
    """Run the stage that a worker wrote to ``specification``, and write its lock entry; exit code of DVC."""
    wanted = json.loads(specification.read_text())
    stage, pull = wanted["stage"], ["--pull"] * wanted["remote"]
    lock = Path(stage["file"]).with_suffix(".lock")
    for each in Path().glob("**/dvc.lock"):
        each.unlink()  # nothing in it is of use, and reading a long one takes a while
    configure(wanted["config"])
    link_inputs(stage, wanted["inputs"], wanted["remote"])
    code = dvc(["repro", "--single-item", *pull, stage["address"]])
    if code == 0 and wanted["remote"]:
        code = dvc(["push", "--run-cache", stage["address"]])
    if code == 0:
        Path(RESULT).write_text(json.dumps(load_yaml(str(lock))["stages"][stage["name"]]))
    return int(code)


def configure(settings: dict[str, Any]) -> None:
    """Make the clone in the working directory use the workspace's cache and remotes.

    By DVC's own command their paths could have ASCII letters alone.
    """
    config = Config(".dvc")
    local = config.load_one("local")
    merge(local, settings)
    with Path(config.files["local"]).open("wb") as file:
        ConfigObj(_pack_named(local), encoding="utf-8").write(file)


def link_inputs(wanted: dict[str, Any], settled: list[dict[str, Any]], remote: bool) -> None:
    """Link what the stage reads of other stages' outputs from the cache into the clone."""
    with Repo(".") as repo, lock_repo(repo):
        stage = repo.stage.load_one(wanted["file"], wanted["name"])
        for found in settled:
            upstream = repo.stage.load_one(found["file"], found["name"])
            StageLoader.fill_from_lock(upstream, found["entry"])
            for out in upstream.outs:
                if any(localfs.overlaps(dep.fs_path, out.fs_path) for dep in stage.deps):
                    if remote:
                        pull(repo, out)
                    out.checkout()


def pull(repo: Repo, out: Any) -> None:
    """Download an output into the cache."""
    for objects in out.get_used_objs().values():
        if failed := repo.cloud.pull(objects).failed:
            raise DownloadError(len(failed))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
