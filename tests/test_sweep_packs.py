"""Packs of sweeps, whose stages have working directories of their own: by real DVC, which says what the lock names."""

import hashlib
import json
import re
from pathlib import Path

import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

from sedlib.base.errors import UserError
from sedlib.cli import main
from sedlib.upkeep.packing.place import MAIN, Place
from sedlib.upkeep.packing.table_pack import packed, read_pack
from sedlib.upkeep.packing.unpack import unpack
from tests.clone import Clone
from tests.imports import ROOT
from tests.test_experiments import recipe

PIPELINE = """
stages:
  cell:
    wdir: ../..
    matrix: {size: [0.25, 50]}
    deps: [params.yaml]
    cmd: echo size,${item.size} > sweeps/some/results/cell-${item.size}.csv
    outs: ["sweeps/some/results/cell-${item.size}.csv"]
  setting:
    wdir: lr0.001-wd1
    cmd: mkdir -p results && echo setting > results/run.csv && echo "{}" > results/run.json && echo 1 > run.h5
    outs: [results/run.csv, results/run.json, run.h5]
  outcomes:
    cmd: cat results/*.csv lr0.001-wd1/results/run.csv > outcomes.csv
    deps: [results, lr0.001-wd1/results]
    outs: [outcomes.csv: {cache: false}]
"""
SWEEP = Path("sweeps/some")
TABLES = {
    "sweeps/some/lr0.001-wd1/results/run.csv": b"setting\n",
    "sweeps/some/lr0.001-wd1/results/run.json": b"{}\n",
    "sweeps/some/results/cell-0.25.csv": b"size,0.25\n",
    "sweeps/some/results/cell-50.csv": b"size,50\n",
}


@pytest.fixture
def swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working directory has a sweep that was run, and its pack."""
    monkeypatch.chdir(tmp_path)
    Repo.init(no_scm=True).close()
    Path("params.yaml").write_text("window: 20\n")
    (SWEEP / "lr0.001-wd1").mkdir(parents=True)
    (SWEEP / "results").mkdir()
    (SWEEP / "dvc.yaml").write_text(PIPELINE)
    with Repo() as repo:
        repo.reproduce(str(SWEEP / "dvc.yaml"))
    main(["pack", str(SWEEP)])


def forget() -> None:
    """Leave what git keeps."""
    for folder in (SWEEP / "results", SWEEP / "lr0.001-wd1/results"):
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()


def found() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in SWEEP.rglob("results/*") if path.suffix in (".csv", ".json")}


def test_what_is_unpacked_is_what_was_packed_wherever_its_stage_works(
    swept: None, capfd: pytest.CaptureFixture[str]
) -> None:
    before = (SWEEP / "results.tar.xz").read_bytes()
    assert read_pack(Place.of_sweep(SWEEP)) == TABLES
    forget()
    main(["unpack", f"{SWEEP}/"])
    assert found() == TABLES
    assert "4 tables and descriptions unpacked from sweeps/some/results.tar.xz" in capfd.readouterr().err
    main(["pack", str(SWEEP)])
    assert (SWEEP / "results.tar.xz").read_bytes() == before
    assert not Path("reports").exists()


@pytest.mark.parametrize("pack", sorted((ROOT / "sweeps").glob("*/results.tar.xz")), ids=lambda pack: pack.parent.name)
def test_a_committed_pack_is_of_the_committed_lock(pack: Path) -> None:
    """Whose files are named from the root, or from the folder in which their stages work, of the sweep or below it."""
    place, folder = Place(pack, pack.parent.relative_to(ROOT)), pack.parent
    defined, entries = (
        YAML(typ="safe").load((folder / file).read_text())["stages"] for file in ("dvc.yaml", "dvc.lock")
    )
    paths: dict[str, str] = {}
    for name, entry in entries.items():
        kind, _, item = name.partition("@")
        stage = defined[kind].get("do", defined[kind])
        works_in = Path(place.folder, stage.get("wdir", ".").replace("${item}", item))
        for out in entry["outs"]:
            path = out["path"] if out["path"].startswith("sweeps/") else (works_in / out["path"]).as_posix()
            paths[path] = out["md5"]
    locked = {path: digest for path, digest in paths.items() if "/results/" in path and place.holds(path)}
    assert {path: hashlib.md5(content).hexdigest() for path, content in read_pack(place).items()} == locked


def test_cells_that_were_unpacked_are_not_computed_again(swept: None) -> None:
    forget()
    Path(".dvc/cache").rename("gone")
    main(["unpack", str(SWEEP)])
    with Repo() as repo:
        assert repo.reproduce(str(SWEEP / "dvc.yaml"), allow_missing=True) == []
        (SWEEP / "outcomes.csv").write_text("of before")
        (drawn,) = repo.reproduce(str(SWEEP / "dvc.yaml"), allow_missing=True)
    assert drawn.name == "outcomes"
    assert (SWEEP / "outcomes.csv").read_text() == "size,0.25\nsize,50\nsetting\n"


def test_another_clone_goes_on_with_a_stopped_sweep_by_the_recipe_of_the_page(swept: None) -> None:
    (commands,) = recipe("Sweeps")
    pack, unpack_, repro = (command.replace("sweeps/doses", str(SWEEP)) for command in commands)
    here = Clone(Path.cwd())
    lock = YAML(typ="safe").load((SWEEP / "dvc.lock").read_text())
    del lock["stages"]["cell@50"], lock["stages"]["outcomes"]
    (SWEEP / "dvc.lock").write_text(json.dumps(lock))
    for file in ("results.tar.xz", "results/cell-50.csv", "outcomes.csv"):
        (SWEEP / file).unlink()
    assert here.call("bash", "-euc", pack).returncode == 0
    forget()
    Path(".dvc/cache").rename("gone")
    assert here.call("bash", "-euc", unpack_).returncode == 0
    done = here.call("bash", "-euc", repro)
    assert done.returncode == 0, done.stderr
    assert re.findall("Running stage '(.*?)'", done.stdout) == [
        "sweeps/some/dvc.yaml:cell@50",
        "sweeps/some/dvc.yaml:outcomes",
    ]
    assert (SWEEP / "outcomes.csv").read_text() == "size,0.25\nsize,50\nsetting\n"


def test_a_sweep_that_has_only_begun_is_packed_and_the_rest_added(
    swept: None, capfd: pytest.CaptureFixture[str]
) -> None:
    (SWEEP / "results.tar.xz").unlink()
    Path("sweeps/some/results/cell-50.csv").unlink()
    main(["pack", str(SWEEP)])
    assert read_pack(Place.of_sweep(SWEEP)).keys() == TABLES.keys() - {"sweeps/some/results/cell-50.csv"}
    assert "1 more tables that DVC's locks name are missing here" in capfd.readouterr().err
    Path("sweeps/some/results/cell-0.25.csv").unlink()
    Path("sweeps/some/results/cell-50.csv").write_bytes(b"size,50\n")
    main(["pack", str(SWEEP)])
    assert read_pack(Place.of_sweep(SWEEP)) == TABLES


def test_tables_that_are_not_what_the_lock_says_are_neither_packed_nor_unpacked(swept: None) -> None:
    (SWEEP / "results/cell-50.csv").write_text("my own\n")
    with pytest.raises(SystemExit, match=r"1 of 4 tables are not what .* `dvc repro sweeps/some/dvc\.yaml`"):
        main(["pack", str(SWEEP)])
    place = Place.of_sweep(SWEEP)
    forget()
    place.pack.write_bytes(packed({**TABLES, "sweeps/some/results/other.csv": b"1\n"}, place))
    with pytest.raises(UserError, match=r"at 1 of 5 tables, the first is sweeps/some/results/other\.csv"):
        unpack(place)
    assert found() == {}


def test_one_packs_tables_are_not_taken_for_anothers(swept: None) -> None:
    place = Place.of_sweep(SWEEP)
    place.pack.write_bytes(packed({"artifacts/results/a.csv": b"1\n"}, place))
    with pytest.raises(UserError, match=r"'artifacts/results/a\.csv', which is the name of no table in sweeps/some"):
        unpack(place)
    MAIN.pack.parent.mkdir()
    MAIN.pack.write_bytes(packed({"sweeps/some/results/a.csv": b"1\n"}))
    with pytest.raises(
        UserError, match=r"'sweeps/some/results/a\.csv', which is the name of no table in artifacts/res"
    ):
        unpack()


@pytest.mark.parametrize(
    "name",
    [
        "sweeps/some/../other/a.csv",
        "sweeps/some/./a.csv",
        "sweeps/some//a.csv",
        "sweeps/some/.a.csv",
        "sweeps/some/a.csv/b.csv",
        "sweeps/some/dvc.yaml",
        "sweeps/some/dvc.lock",
        "sweeps/somewhere/a.csv",
        "sweeps/some.csv",
        "/sweeps/some/a.csv",
        "sweeps/some/a.csv\n",
        "sweeps/some/٣.csv",
    ],
)
def test_no_name_leads_out_of_the_sweep(name: str) -> None:
    assert not Place(SWEEP / "results.tar.xz", SWEEP).holds(name)


@pytest.mark.parametrize("folder", ["sweeps", "sweeps/none", "sweeps/../sweeps/some", "/sweeps/some", "artifacts", "."])
def test_a_folder_that_is_no_sweep_is_refused(swept: None, folder: str) -> None:
    for command in ("pack", "unpack"):
        with pytest.raises(SystemExit, match=r"expected a folder of sweeps/ with a dvc\.yaml, such as sweeps/doses"):
            main([command, folder])


def test_while_another_command_runs_the_lock_is_left_alone(swept: None) -> None:
    with Repo() as repo, repo.lock, pytest.raises(SystemExit, match="another command runs in this repository"):
        main(["pack", str(SWEEP)])


def test_without_a_pack_the_command_that_computes_the_tables_is_named(swept: None) -> None:
    (SWEEP / "results.tar.xz").unlink()
    with pytest.raises(SystemExit, match=r"if git has none, compute the results: `dvc repro sweeps/some/dvc\.yaml`"):
        main(["unpack", str(SWEEP)])


def test_a_broken_lock_is_named(swept: None) -> None:
    whole = (SWEEP / "dvc.lock").read_text()
    for text in ("stages: [", re.sub(r"md5: \w+", "md5: 12345", whole)):
        (SWEEP / "dvc.lock").write_text(text)
        for command in (["pack", str(SWEEP)], ["unpack", str(SWEEP)], ["verify"]):
            with pytest.raises(SystemExit, match=r"dvc\.lock is not a lock that DVC wrote"):
                main(command)
