"""The commands that a message about a damaged table prints bring it back, also where DVC's cache is damaged."""

import os
import re
from pathlib import Path

import pytest

from sedlib.base.errors import UserError
from tests.clone import Clone
from tests.described.sample import ROWS, read
from tests.imports import ROOT

PIPELINE = """
stages:
  measure:
    foreach: [add-42]
    do:
      cmd: python -c 'from pathlib import Path; from tests.described.sample import write; write(Path())'
      outs: [sample.csv, sample.resource.json]
"""


def repository(folder: Path, cache_type: str) -> Clone:
    """Its stage has written a table, which is pushed; the cache's file is the workspace's (hardlink), or a copy."""
    clone = Clone(folder / "toy")
    clone.folder.mkdir()
    (clone.folder / "dvc.yaml").write_text(PIPELINE)
    for command in (
        ["git", "init", "-q"],
        ["dvc", "init", "-q"],
        ["dvc", "config", "core.analytics", "false"],
        ["dvc", "config", "cache.type", cache_type],
        ["dvc", "remote", "add", "-q", "-d", "shared", str(folder / "shared")],
        ["dvc", "repro"],
        ["dvc", "push"],
    ):
        call(clone, *command)
    return clone


def call(clone: Clone, *command: str) -> None:
    done = clone.call(*command, PYTHONPATH=str(ROOT))
    assert done.returncode == 0, done.stderr


def damage(file: Path) -> None:
    """Flip a bit as a failing disk does: nobody is asked for permissions, or notes the time."""
    before = file.stat()
    file.chmod(0o644)
    content = bytearray(file.read_bytes())
    content[-2] ^= 1
    with file.open("r+b") as opened:
        opened.write(content)
    file.chmod(before.st_mode)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def cached(clone: Clone) -> list[Path]:
    return [file for file in (clone.folder / ".dvc/cache/files").rglob("*") if file.is_file()]


@pytest.mark.parametrize("cache_type", ["hardlink", "copy"])
@pytest.mark.parametrize("has_remote", [True, False], ids=["remote", "alone"])
def test_the_printed_commands_bring_a_table_back_from_damage_of_workspace_and_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache_type: str, has_remote: bool
) -> None:
    clone = repository(tmp_path, cache_type)
    monkeypatch.chdir(clone.folder)
    if not has_remote:
        call(clone, "dvc", "remote", "remove", "shared")
    files = Path("sample.csv"), Path("sample.resource.json")
    whole = sorted(file.read_bytes() for file in files)
    for file in {file.stat().st_ino: file for file in (*files, *cached(clone))}.values():
        damage(file)
    with pytest.raises(UserError, match="a damaged one") as raised:
        read(files[0])
    mend, _ = re.findall("`(.*?)`", str(raised.value))
    done = clone.call("sh", "-c", mend, PYTHONPATH=str(ROOT))
    again = re.findall("^Compute them anew: (.*)$", done.stderr, re.MULTILINE)
    assert (done.returncode, len(again)) == ((0, 0) if has_remote else (1, 1)), done.stderr
    for command in again:
        call(clone, "sh", "-c", command)
    assert read(files[0]) == ROWS
    assert sorted(file.read_bytes() for file in cached(clone)) == whole
