"""A report's files that are missing, or are not those that were written, are refused by name."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sedlib.base.errors import UserError
from sedlib.cli import update_documents
from sedlib.report.numbers.collection import Expected, collect
from sedlib.report.page.as_written import WRITTEN, record, require_as_written
from sedlib.report.page.writing import write_page, write_report
from tests.report.made_up import write

FILES = {
    "metrics.json": "{}",
    "data/computed_with.json": "{}",
    "data/coupling.csv": "step,ratio\n0,1\n",
    "figures/one.svg": "<svg/>",
}


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / "reports" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "reports" / name).write_text(text)
    record(tmp_path / "reports", map(Path, FILES))
    return tmp_path / "reports"


def test_a_report_as_it_was_written_is_taken(reports: Path) -> None:
    require_as_written(reports)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "removed": lambda file: file.unlink(),
    "empty": lambda file: file.write_bytes(b""),
    "cut": lambda file: file.write_bytes(file.read_bytes()[:-2]),
    "flipped": lambda file: file.write_bytes(bytes([file.read_bytes()[0] ^ 1]) + file.read_bytes()[1:]),
    "in conflict": lambda file: file.write_text("<<<<<<< HEAD\n" + file.read_text()),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_another_is_refused_by_name(reports: Path, name: str, damage: str) -> None:
    DAMAGE[damage](reports / name)
    with pytest.raises(UserError, match=rf"{name}.* are missing, have other bytes, .* run `make report`"):
        require_as_written(reports)


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "x" * 5000, "data"])
def test_names_that_no_file_has_are_missing(reports: Path, name: str) -> None:
    (reports / WRITTEN).write_text(json.dumps({**json.loads((reports / WRITTEN).read_text()), name: "0" * 64}))
    with pytest.raises(UserError, match="are missing") as refused:
        require_as_written(reports)
    assert len(str(refused.value)) < 1000


@pytest.mark.parametrize("name", ["metrics.json", "data/computed_with.json"])
def test_what_the_page_needs_must_have_been_written(reports: Path, name: str) -> None:
    hashes = json.loads((reports / WRITTEN).read_text())
    del hashes[name]
    (reports / name).unlink()
    (reports / WRITTEN).write_text(json.dumps(hashes))
    with pytest.raises(UserError, match=f"{name}.* are missing"):
        require_as_written(reports)


def test_a_table_from_elsewhere_is_not_shown(reports: Path) -> None:
    (reports / "data/ladder.csv").write_text("step\n")
    with pytest.raises(UserError, match=r"data/ladder\.csv.* not written with the others"):
        require_as_written(reports)


@pytest.mark.parametrize("text", ["", "[]", "{}", "3", '{"metrics.json"', "[" * 5000])
def test_hashes_that_are_none_are_refused(reports: Path, text: str) -> None:
    (reports / WRITTEN).write_text(text)
    with pytest.raises(UserError, match=r"written.json: .* run `make report`"):
        require_as_written(reports)


def test_a_report_of_which_nothing_is_known_is_refused(reports: Path) -> None:
    (reports / WRITTEN).unlink()
    with pytest.raises(UserError, match="cannot read the hashes"):
        require_as_written(reports)


@pytest.mark.slow
def test_the_page_and_the_documents_are_not_written_from_half_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "results")
    write_report(collect(tmp_path / "results", Expected(["add-1"], [], [], {}, 0.98)), tmp_path / "reports")
    page = (tmp_path / "reports/index.html").read_bytes()
    write_page(tmp_path / "reports")
    next((tmp_path / "reports/figures").glob("*.svg")).unlink()
    monkeypatch.chdir(tmp_path)
    for publish in (lambda: write_page(Path("reports")), update_documents):
        with pytest.raises(UserError, match=r"figures/.*svg. are missing"):
            publish()
    assert (tmp_path / "reports/index.html").read_bytes() == page
    assert not (tmp_path / "README.md").exists()


def test_no_hash_stands_for_no_file(reports: Path) -> None:
    recorded = json.loads((reports / WRITTEN).read_text())
    (reports / WRITTEN).write_text(json.dumps({**recorded, "data/gone.csv": None}))
    with pytest.raises(UserError, match="expected hashes of the report's files"):
        require_as_written(reports)
