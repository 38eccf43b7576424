"""A fresh clone with a pack: the report has the bytes of the finished one, and every reading command answers."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sedlib.report.page.as_written import WRITTEN, require_as_written
from sedlib.upkeep.packing.place import MAIN, PACK, RESULTS
from sedlib.upkeep.packing.table_pack import read_pack
from tests.clone import Clone, cloned
from tests.imports import ROOT
from tests.test_architecture import PIPELINES, groups
from tests.test_experiments import recipe

pytestmark = pytest.mark.slow


def said(clone: Clone, *command: str, code: int = 0) -> str:
    done = clone.call(*command)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def packed(finished: Clone, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """The finished clone, its pack committed."""
    folder = tmp_path_factory.mktemp("packed") / "sedlib"
    shutil.copytree(finished.folder, folder, symlinks=True)
    clone = Clone(folder)
    clone.commit()  # the report's revision is that of the last commit that changed code
    assert re.search(r"\d+ tables and descriptions of [\d,]+ bytes, packed [\d,]+$", said(clone, "sedlib", "pack"))
    clone.commit()
    return clone


@pytest.fixture
def fresh(packed: Clone, tmp_path: Path) -> Clone:
    return cloned(packed, tmp_path / "sedlib")


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def target(name: str) -> list[str]:
    """Commands of a target of the Makefile."""
    found = re.search(rf"^{name}:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert found
    return [line.strip("\t@").replace("$(BIN)/", "").replace("$(MAKE)", "make") for line in found[1].splitlines()]


def test_make_results_is_what_the_page_of_experiments_says() -> None:
    blocks = recipe("The tables that git keeps")
    assert target("results") == blocks[1]


def test_make_report_in_a_fresh_clone_renders_what_the_finished_one_has(packed: Clone, fresh: Clone) -> None:
    unpack, costs, report, _ = target("report")
    assert costs == "sedlib costs --keep"
    before = files(packed.folder / "reports")
    code = subprocess.run(["git", "log", "-1", "--format=%H", "--", "sedlib"], cwd=packed.folder, capture_output=True)
    for name in ("index.html", "data/computed_with.json"):
        before[name] = before[name].replace(b"not under git", code.stdout.strip())
    shutil.rmtree(fresh.folder / "reports/tables")
    assert "unpacked from reports/results.tar.xz, committed on 20" in said(fresh, *unpack.split())
    said(fresh, *report.split())
    require_as_written(fresh.folder / "reports")
    del before[str(WRITTEN)]  # in which the revision counts, too
    assert {name: content for name, content in files(fresh.folder / "reports").items() if name in before} == before


def test_reading_commands_answer_in_a_fresh_clone(packed: Clone, fresh: Clone) -> None:
    text = said(fresh, "sedlib", "summary", "add-1")
    assert f"unpacked from {PACK}" in text
    finished = said(packed, "sedlib", "summary", "add-1")
    assert text.startswith(f"{finished.rstrip()}, once it is drawn: python stages/figures.py --run add-1\n")
    for command in (["seeds"], ["geometry", "add-1"], ["geometry"]):
        assert said(fresh, "sedlib", *command) == said(packed, "sedlib", *command)
    said(fresh, "python", "stages/figures.py", "--run", "add-1")
    assert files(fresh.folder / RESULTS) == files(packed.folder / RESULTS)


def test_dvc_takes_unpacked_tables_for_what_its_locks_say(fresh: Clone) -> None:
    said(fresh, "sedlib", "unpack")
    assert not re.search(r"(modified|deleted): +artifacts/results/", said(fresh, "dvc", "status"))
    assert "didn't change, skipping" in said(fresh, "dvc", "repro", "--allow-missing", "coupling@add-1")
    assert said(fresh, "git", "status", "--porcelain") == ""
    assert "none that is present is damaged" in said(fresh, "sedlib", "verify")


def test_another_window_is_never_answered_from_the_pack(fresh: Clone) -> None:
    fresh.set(window=2)
    for command in (["summary", "add-1"], ["unpack", "--if-none"]):
        assert "computed with other values of window than params.yaml" in said(fresh, "sedlib", *command, code=1)
    assert not (fresh.folder / RESULTS).exists()


def test_own_results_are_read_without_the_pack_and_an_outdated_one_is_named(packed: Clone, tmp_path: Path) -> None:
    clone = Clone(tmp_path / "sedlib")
    shutil.copytree(packed.folder, clone.folder, symlinks=True)
    assert said(clone, "sedlib", "unpack", "--if-none") == ""
    lock = (clone.folder / "geometry/dvc.lock").read_text()
    (clone.folder / "geometry/dvc.lock").write_text(re.sub("(md5: )[0-9a-f]{32}", r"\1" + "a" * 32, lock))
    assert "`sedlib pack` writes the pack again" in said(clone, "sedlib", "unpack", "--if-none")


def test_what_the_pack_has_more_is_named_where_it_is_missing(packed: Clone, tmp_path: Path) -> None:
    clone = Clone(tmp_path / "sedlib")
    shutil.copytree(packed.folder, clone.folder, symlinks=True)
    for name in ("summary.json", "summary.resource.json"):
        (clone.folder / RESULTS / "add-1" / name).unlink()
    hint = f"2 tables and descriptions of {PACK} are not here: `sedlib unpack` brings them\n"
    assert said(clone, "sedlib", "unpack", "--if-none") == hint
    assert said(clone, "sedlib", "summary", "add-1", code=1).endswith(f"run `dvc repro figures@add-1`. {hint}")
    said(clone, "sedlib", "unpack")
    said(clone, "sedlib", "summary", "add-1")


def test_a_pack_has_every_table_that_stages_write(packed: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    outs = [out for file in PIPELINES for stage in groups(file).values() for out in stage["outs"]]
    results = [out for out in outs if isinstance(out, str) and out.startswith(str(RESULTS))]
    tables = [re.sub(r"\$\{item\.\w+\}", "add-1", out) for out in results if not out.endswith("/figures")]
    assert tables
    assert [name for name in tables if not MAIN.holds(name)] == []
    monkeypatch.chdir(packed.folder)
    written = {name for name in files(Path()) if name.startswith(str(RESULTS)) and "/figures/" not in name}
    assert written == read_pack().keys()
