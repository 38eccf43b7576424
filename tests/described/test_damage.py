"""No table or description that differs by anything from what was written is believed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sedlib.base.described.described_files import LARGEST_DESCRIPTION, LARGEST_FILE
from sedlib.base.described.description import Origin, description_of, parsed
from sedlib.base.errors import UserError
from tests.described.sample import OF, PARAMETERS, ROWS, read, write


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path)


@pytest.fixture(params=["table", "description"])
def file(path: Path, request: pytest.FixtureRequest) -> Path:
    """Either of the two files."""
    return path if request.param == "table" else description_of(path)


def refused(path: Path, file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(UserError) as raised:
        read(path)
    message = str(raised.value)
    assert message.startswith(f"{path}: expected "), message
    assert "`dvc repro --force --single-item measure@add-42`" in message


def test_what_is_written_is_read(path: Path) -> None:
    assert read(path) == ROWS
    assert read(path, Origin("add-42")) == ROWS


def test_equal_tables_have_equal_bytes(path: Path, tmp_path: Path) -> None:
    again = write(tmp_path / "again")
    for first, second in ((path, again), (description_of(path), description_of(again))):
        assert first.read_bytes() == second.read_bytes()


def flips(content: bytes) -> Iterator[bytes]:
    for place in range(len(content)):
        for bit in range(8):
            yield content[:place] + bytes([content[place] ^ (1 << bit)]) + content[place + 1 :]


def test_every_flipped_bit_of_a_table_is_refused(path: Path) -> None:
    for damaged in flips(path.read_bytes()):
        refused(path, path, damaged)


def test_every_flipped_bit_of_a_description_is_refused(path: Path) -> None:
    beside = description_of(path)
    content = beside.read_bytes()
    assert parsed(content) is not None
    assert not any(parsed(damaged) for damaged in flips(content))
    refused(path, beside, next(flips(content)))


def test_every_truncation_is_refused(path: Path, file: Path) -> None:
    content = file.read_bytes()
    for length in range(len(content)):
        refused(path, file, content[:length])


def test_every_line_left_out_repeated_or_swapped_is_refused(path: Path, file: Path) -> None:
    lines = file.read_bytes().splitlines(keepends=True)
    for number, line in enumerate(lines):
        refused(path, file, b"".join(lines[:number] + lines[number + 1 :]))
        refused(path, file, b"".join([*lines[:number], line, *lines[number:]]))
        if number and lines[number - 1] != line:
            refused(path, file, b"".join([*lines[: number - 1], line, lines[number - 1], *lines[number + 1 :]]))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_blocks_of_zeros_and_of_anything_else_are_refused(path: Path, file: Path, data: st.DataObject) -> None:
    content = file.read_bytes()
    start = data.draw(st.integers(0, len(content) - 1))
    block = data.draw(st.one_of(st.integers(1, 64).map(bytes), st.binary(max_size=64)))
    end = data.draw(st.integers(start, min(len(content), start + 64)))
    if content[:start] + block + content[end:] != content:
        refused(path, file, content[:start] + block + content[end:])
        file.write_bytes(content)


def test_a_file_that_is_not_there_names_what_writes_it(path: Path) -> None:
    path.unlink()
    with pytest.raises(UserError, match=r"sample\.csv is missing; run `dvc repro measure@add-42`"):
        read(path)


@pytest.mark.parametrize(
    ("of", "message"),
    [
        (Origin("mul-42", PARAMETERS), 'expected of "mul-42", found "add-42"'),
        (Origin("add-42", PARAMETERS.replace("42", "7")), "expected parameters.run.seed 7, found 42"),
        (Origin("add-42", PARAMETERS.replace("lr", "eps")), "expected parameters.optimizer.eps 0.001, found null"),
    ],
)
def test_the_table_of_another_run_is_refused_by_what_differs(path: Path, of: Origin, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read(path, of)


def test_a_table_under_another_name_is_refused(path: Path) -> None:
    other = path.with_name("other.csv")
    for file, target in ((path, other), (description_of(path), description_of(other))):
        file.rename(target)
    with pytest.raises(UserError, match=r'other\.csv: expected path "sample\.csv", found "other\.csv"'):
        read(other)


def test_a_file_that_is_too_large_is_not_read(path: Path) -> None:
    for file, limit in ((path, LARGEST_FILE), (description_of(path), LARGEST_DESCRIPTION)):
        content = file.read_bytes()
        with file.open("ab") as opened:
            opened.truncate(limit + 1)  # sparse
        with pytest.raises(UserError, match=rf"expected at most {limit:,} bytes in {file.name}, found more"):
            read(path)
        file.write_bytes(content)


def test_nested_lists_and_folders_are_no_description(path: Path) -> None:
    beside = description_of(path)
    refused(path, beside, b"[" * 60_000)
    refused(path, beside, b'{"sedlib": {"checksum": NaN}}')
    refused(path, beside, b'{"sedlib": {"checksum": 1' + b"0" * 5000 + b"}}")
    beside.unlink()
    beside.mkdir()
    with pytest.raises(UserError, match=r"expected a file sample\.resource\.json, found no regular one"):
        read(path)


def test_a_table_behind_a_link_of_dvcs_cache_is_read(path: Path, tmp_path: Path) -> None:
    for file in (path, description_of(path)):
        kept = tmp_path / f"kept{file.suffix}"
        file.rename(kept)
        kept.chmod(0o444)
        file.symlink_to(kept)
    assert read(path, OF) == ROWS
