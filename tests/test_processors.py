"""The committed results beside those of other processors: the tables are what the command gives."""

import re
from pathlib import Path

import pytest

from sedlib.cli import main
from sedlib.report.claims.definitions import DEFINITIONS, PLATEAU
from sedlib.upkeep.packing.table_pack import read_pack
from tests.imports import ROOT

SETS = sorted({path.parents[1].relative_to(ROOT) for path in (ROOT / "processors").glob("*/*/summary.json")})
SUMMARY = re.compile(r"artifacts/results/[^/]+/summary(\.resource)?\.json")


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The summaries of the committed pack, beside the other processors'."""
    folder = tmp_path_factory.mktemp("unpacked")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        tables = read_pack()
    for name in filter(SUMMARY.fullmatch, tables):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(tables[name])
    (folder / "processors").symlink_to(ROOT / "processors")
    return folder


@pytest.mark.parametrize("second", SETS, ids=str)
def test_the_table_is_what_the_command_gives(unpacked: Path, second: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(unpacked)
    main(["compare", "artifacts/results", str(second), "--to", "found.md"])
    assert Path("found.md").read_text() == (ROOT / f"{second}.md").read_text(), "write it anew: make processors"


def test_every_set_has_a_table_a_command_and_a_description() -> None:
    assert SETS
    makefile, page = ((ROOT / name).read_text() for name in ("Makefile", "processors/README.md"))
    for folder in SETS:
        assert f"sedlib compare artifacts/results {folder} --to {folder}.md" in makefile
        assert f"\n## {folder.name}\n" in page


def test_what_pages_say_of_another_processor_is_in_its_table() -> None:
    """The README of the folder, a definition and a page repeat ends of the ranges for runs of one operation."""
    table = (ROOT / "processors/h200.md").read_text()
    least_and_most = re.findall(r"^\| ([\w =]+), (peak|plateau) +\| (-\d+ to \+\d+ %)", table, re.MULTILINE)
    found = {(stream, reading): ends.replace("-", "−") for stream, reading, ends in least_and_most}
    page = (ROOT / "processors/README.md").read_text()
    for stream in ("gradient", "update", "W = 1"):
        row = re.search(rf"^\| {stream} \| (.*?) \| .*? \| (.*?) \|$", page, re.MULTILINE)
        assert row, stream
        assert row[1] == found[stream, "peak"]
        assert found.get((stream, "plateau"), row[2]) == row[2]
    far = {key: max(map(int, re.findall(r"\d+", ends))) for key, ends in found.items()}
    plateau = max(move for (_, reading), move in far.items() if reading == "plateau")
    assert f"by {plateau} % at most, and peaks by up to {max(far.values())} %" in DEFINITIONS[PLATEAU]
    ends = f"by up to {far['gradient', 'peak']} %, the plateau by {far['gradient', 'plateau']} % at\nmost"
    assert ends in (ROOT / "docs/when-not-to-believe.md").read_text()
