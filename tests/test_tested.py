"""A device that nobody tested is refused until its selftest passed; a record that is not one says so."""

import json
import os
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from sedlib.base.errors import UserError
from sedlib.base.machine import hardware
from sedlib.base.machine.hardware import build, configure
from sedlib.base.machine.tested import (
    SCHEMA,
    TEXTS,
    RecordError,
    is_tested,
    known_builds,
    read_record,
    record_path,
    require_tested,
    write_record,
)
from tests.imports import ROOT

KNOWN = {"device": "cpu x86_64 AVX2 Any", "torch": "2.13.0+cpu", "system": "Linux", "library": "BLAS mkl"}
UNKNOWN = {"device": "mps arm64 DEFAULT arm", "torch": "2.13.0", "system": "Darwin 15.1", "library": "BLAS accelerate"}


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def kernels_as_before() -> Iterator[None]:
    yield
    torch.set_deterministic_debug_mode("default")


def test_this_machine_is_tested_without_a_record(kernels_as_before: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the pinned PyTorch is installed on what the table names; elsewhere nothing is tested here."""
    monkeypatch.setenv("SEDLIB_DEVICE", "cpu")
    if not is_tested(build(torch.device("cpu"))):
        pytest.skip("this machine is not in the table")
    assert configure() == torch.device("cpu")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("torch", "2.12.0+cpu"),
        ("torch", "2.130.0"),
        ("device", "cpu aarch64 DEFAULT"),
        ("system", "Windows"),
        ("library", "BLAS open"),
        ("device", "cuda NVIDIA H100 80GB HBM3"),
    ],
)
def test_another_build_is_not_tested(text: str, value: str) -> None:
    assert is_tested(KNOWN)
    assert not is_tested({**KNOWN, text: value})


def test_what_nobody_tested_is_used_after_its_selftest_passed() -> None:
    with pytest.raises(UserError, match=r"mps: sedlib was not tested on mps arm64 .*no selftest passed") as refused:
        require_tested(UNKNOWN, "mps")
    assert "Run `sedlib selftest --device mps` once" in str(refused.value)
    assert len(str(refused.value)) < 800
    write_record(UNKNOWN, [])
    require_tested(UNKNOWN, "mps")
    with pytest.raises(UserError, match="was not tested"):
        require_tested({**UNKNOWN, "torch": "2.13.1"}, "mps")


@pytest.mark.parametrize("known", [KNOWN, UNKNOWN])
def test_where_a_selftest_failed_nothing_runs_until_it_passes(known: dict[str, str]) -> None:
    write_record(known, ["bases.gram", "leads.onset"])
    with pytest.raises(UserError, match=r"the last `sedlib selftest --device cpu` failed on this device \(bases.g"):
        require_tested(known, "cpu")
    write_record(known, [])
    require_tested(known, "cpu")


def record(**changes: object) -> bytes:
    return json.dumps({"schema": SCHEMA, "build": UNKNOWN, "failed": []} | changes).encode()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is no JSON"),
        (b"\xff\xfe", "is no JSON"),
        (record()[:40], "is no JSON"),
        (b"[" * 15_000, "is no JSON"),
        (b" " * 30_000, "is longer than 20,000 bytes"),
        (b"[]", "does not hold schema, build and failed alone"),
        (record(more=1), "does not hold schema, build and failed alone"),
        (record(schema="sedlib.selftest/0"), "is 'sedlib.selftest/0', not 'sedlib.selftest/1'"),
        (record(schema="x" * 1000), r"is 'x+…, not"),
        (record(build=KNOWN), "is of another device or build"),
        (record(build=None), "is of another device or build"),
        (record(failed=None), "has no list of names"),
        (record(failed=[1]), "has no list of names"),
    ],
)
def test_a_broken_foreign_or_old_record_means_not_passed(content: bytes, problem: str) -> None:
    path = record_path(UNKNOWN)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(RecordError, match=problem):
        read_record(UNKNOWN)
    with pytest.raises(UserError, match=rf"was not tested .*{re.escape(str(path))} {problem}.*sedlib selftest"):
        require_tested(UNKNOWN, "mps")
    write_record(UNKNOWN, [])
    require_tested(UNKNOWN, "mps")


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_what_is_no_file_is_no_record(make: Callable[[Path], None]) -> None:
    path = record_path(UNKNOWN)
    path.parent.mkdir(parents=True)
    make(path)
    assert read_record(UNKNOWN) is None


def test_without_a_home_folder_nothing_is_written_where_the_command_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: Path("~/.cache") / name)
    with pytest.raises(UserError, match=r"no home folder.* set XDG_CACHE_HOME .*Run `sedlib selftest"):
        require_tested(UNKNOWN, "mps")
    with pytest.raises(UserError, match=r"record cannot be kept: .* set XDG_CACHE_HOME"):
        write_record(UNKNOWN, [])
    assert not list(tmp_path.iterdir())


def test_a_known_build_needs_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: Path("~/.cache") / name)
    require_tested(KNOWN, "cpu")


def test_records_lie_in_the_users_cache(cache_folder: Path) -> None:
    path = write_record(UNKNOWN, [])
    assert path.is_relative_to(cache_folder)
    assert list(path.parent.iterdir()) == [path]
    assert record_path(KNOWN) != path


@pytest.mark.parametrize("name", ["mps", "xpu:1", "cuda:0"])
def test_stages_refuse_a_device_by_the_command_that_tests_it(
    name: str, monkeypatch: pytest.MonkeyPatch, kernels_as_before: None
) -> None:
    """No such device is here: a stand-in is opened in its place."""
    kind = name.partition(":")[0]
    monkeypatch.setenv("SEDLIB_DEVICE", name)
    monkeypatch.setattr(torch, "empty", lambda *shape, device: None)
    monkeypatch.setattr(hardware, "_processor", lambda device: "of tomorrow")
    with pytest.raises(UserError, match=rf"sedlib was not tested on {kind} of tomorrow.*selftest --device {name}`"):
        configure()
    write_record(build(torch.device(name)), [])
    assert configure() == torch.device(name)


def test_a_build_is_described_on_every_kind_of_device() -> None:
    for name in ("cpu", "mps"):
        found = build(torch.device(name))
        assert tuple(found) == TEXTS
        assert all(found.values())
        assert found["device"].startswith(f"{name} ")


def test_the_pinned_version_is_one_that_was_tested_and_its_table_is_installed() -> None:
    pinned = re.findall(r"^torch==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert any(row["device"].startswith("cpu") and pinned[0].startswith(row["torch"]) for row in known_builds())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "tested.json" in project["tool"]["setuptools"]["package-data"]["sedlib.base.machine"]
    assert all(row.keys() == {*TEXTS, "tried"} for row in known_builds())


def test_the_page_of_machines_has_the_table() -> None:
    page = (ROOT / "docs/machines.md").read_text()
    rows = [" | ".join(row[text] for text in (*TEXTS, "tried")) for row in known_builds()]
    assert re.findall(r"^\| (.*) \|$", page.split("## What was tested")[1].split("\n## ")[0], re.MULTILINE)[1:] == rows
