"""The commands that a message about a damaged table prints bring it back, also where DVC's cache is damaged."""

import re
from pathlib import Path

import pytest

from sedlib.base.errors import UserError
from tests.clone import Clone
from tests.described.sample import ROWS, read
from tests.imports import ROOT
from tests.kept import flip, repository, run

pytestmark = pytest.mark.slow

PIPELINE = """
stages:
  measure:
    foreach: [add-42]
    do:
      cmd: python -c 'from pathlib import Path; from tests.described.sample import write; write(Path())'
      outs: [sample.csv, sample.resource.json]
"""


def cached(clone: Clone) -> list[Path]:
    return [file for file in (clone.folder / ".dvc/cache/files").rglob("*") if file.is_file()]


@pytest.mark.parametrize("cache_type", ["hardlink", "copy"])
@pytest.mark.parametrize("has_remote", [True, False], ids=["remote", "alone"])
def test_the_printed_commands_bring_a_table_back_from_damage_of_workspace_and_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache_type: str, has_remote: bool
) -> None:
    clone = repository(tmp_path, PIPELINE, cache_type)
    monkeypatch.chdir(clone.folder)
    if not has_remote:
        run(clone, "dvc", "remote", "remove", "shared")
    files = Path("sample.csv"), Path("sample.resource.json")
    whole = sorted(file.read_bytes() for file in files)
    for file in {file.stat().st_ino: file for file in (*files, *cached(clone))}.values():
        flip(file)
    with pytest.raises(UserError, match="a damaged one") as raised:
        read(files[0])
    fix, _ = re.findall("`(.*?)`", str(raised.value))
    done = clone.call("sh", "-c", fix, PYTHONPATH=str(ROOT))
    again = re.findall("^Compute them again: (.*)$", done.stderr, re.MULTILINE)
    assert (done.returncode, len(again)) == ((0, 0) if has_remote else (1, 1)), done.stderr
    for command in again:
        run(clone, "sh", "-c", command)
    assert read(files[0]) == ROWS
    assert sorted(file.read_bytes() for file in cached(clone)) == whole
