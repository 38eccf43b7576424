"""A table is compared with its schema on writing and on reading, also one whose description was made to fit it."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sedlib.base.described.described_files import write_described
from sedlib.base.described.description import description_of
from sedlib.base.described.table_content import TableError, checked
from sedlib.base.described.table_schema import number
from sedlib.base.described.tables import write_table
from sedlib.base.errors import UserError
from tests.described.sample import OF, ROWS, SCHEMA, read, write

HEAD = b"step,op,ratio,passed,count\n"
FORGED = {
    "no number": (b"0,add,much,,\n", '"0,add,much,," in row 1, no number in column ratio'),
    "a truth value": (b"0,add,True,,\n", "no number in column ratio"),
    "NaN": (b"0,add,nan,,\n", "no number in column ratio"),
    "hexadecimal": (b"0,add,0x10,,\n", "no number in column ratio"),
    "infinite": (b"0,add,inf,,\n", "inf in column ratio, row 1, not a finite number"),
    "too large for a float": (b"0,add,1e999,,\n", "inf in column ratio, row 1, not a finite number"),
    "below": (b"0,add,1,,\n0,sub,-0.5,,\n", "-0.5 in column ratio, row 2, not at least 0"),
    "above": (b"0,add,1,1.5,\n", "1.5 in column passed, row 1, not at most 1"),
    "no whole number": (b"0,add,1,,0.5\n", "0.5 in column count, row 1, not a whole number"),
    "a whole number beyond float64": (b"0,add,1,,1e300\n", "not a whole number"),
    "no value": (b",add,1,,\n", "no integer in column step"),
    "no text": (b"0,,1,,\n", "no string in column op"),
    "a control character": (b"0,a\x1bb,1,,\n", r'"0,a\\u001bb,1,," in row 1, no string in column op'),
    "a quote that does not end": (b'0,"add,1,,\n', "no string in column op"),
    "too few values": (b"0,add,1,\n", "in row 1, no integer in column count"),
    "too many values": (b"0,add,1,,,\n", "in row 1, no integer in column count"),
    "an empty line": (b"0,add,1,,\n\n", "in row 2, no integer in column step"),
    "another row of one key": (b"0,add,1,,\n0,add,2,,\n", "a second row of .*'step': 0, 'op': 'add'.*, row 2"),
    "steps that go back": (b"10,add,1,,\n0,add,2,,\n", "step 0 after a later one, row 2"),
    "no row": (b"", "no whole line at its end"),
    "no end of line": (b"0,add,1,,", "no whole line at its end"),
    "no UTF-8": (b"0,\xff,1,,\n", "no UTF-8"),
}


@pytest.mark.parametrize(("rows", "message"), FORGED.values(), ids=FORGED)
def test_a_row_that_cannot_be_is_refused_though_its_description_fits(tmp_path: Path, rows: bytes, message: str) -> None:
    path = tmp_path / "sample.csv"
    write_described(path, HEAD + rows, SCHEMA, OF, rows=rows.count(b"\n"), schema={})
    with pytest.raises(UserError, match=rf"sample\.csv: expected a table as sample/3 has it, found .*{message}"):
        read(path)


@pytest.mark.parametrize(
    "head",
    ["op,step,ratio,passed,count", "step,op,ratio,passed", "step,op,ratio,passed,count,more", "step,op,op,ratio", ""],
)
def test_other_columns_are_refused_with_those_that_are_expected(head: str) -> None:
    with pytest.raises(TableError, match="not step, op, ratio, passed, count"):
        checked(f"{head}\n".encode(), SCHEMA)


def test_a_description_without_rows_or_columns_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    content = path.read_bytes()
    no_rows: list[dict[str, Any]] = [{}, {"rows": 2}, {"rows": "3"}]
    no_schema: list[dict[str, Any]] = [{"rows": 3}, {"rows": 3, "schema": 1}]
    for name, about in [*(("rows", one) for one in no_rows), *(("schema", one) for one in no_schema)]:
        write_described(path, content, SCHEMA, OF, **about)
        with pytest.raises(UserError, match=f"expected the {name} of its description, found other {name}"):
            read(path)


def test_another_version_or_kind_is_refused_by_name(tmp_path: Path) -> None:
    path = write(tmp_path)
    with pytest.raises(UserError, match='expected kind "sample/4", found "sample/3"'):
        read(path, schema=replace(SCHEMA, version=4))
    with pytest.raises(UserError, match='expected kind "other/3", found "sample/3"'):
        read(path, schema=replace(SCHEMA, name="other"))


def test_other_limits_are_another_table(tmp_path: Path) -> None:
    path = write(tmp_path)
    columns = tuple(number("ratio", -1) if column.name == "ratio" else column for column in SCHEMA.columns)
    with pytest.raises(UserError, match="expected the schema of its description, found other schema"):
        read(path, schema=replace(SCHEMA, columns=columns))


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0, None, "much"])
def test_a_row_that_cannot_be_is_not_written(tmp_path: Path, value: Any) -> None:
    path = write(tmp_path)
    before = path.read_bytes(), description_of(path).read_bytes()
    with pytest.raises(UserError, match=r"sample\.csv: not written, .* column ratio"):
        write_table(path, [ROWS[0] | {"ratio": value}], SCHEMA, OF)
    assert (path.read_bytes(), description_of(path).read_bytes()) == before


def test_a_message_shows_a_little_of_a_long_row() -> None:
    with pytest.raises(TableError) as raised:
        checked(HEAD + b"0,add," + b"9" * 10**6 + b"x,,\n", SCHEMA)
    assert len(str(raised.value)) < 300


def test_a_study_may_add_numbers_where_the_schema_takes_more() -> None:
    more = replace(SCHEMA, takes_more=True)
    columns, table = checked(b"step,op,ratio,passed,count,own\n0,add,1,,,-2.5\n", more)
    assert (columns[-1].name, table["own"].tolist()) == ("own", [-2.5])
    with pytest.raises(TableError, match="no number in column own"):
        checked(b"step,op,ratio,passed,count,own\n0,add,1,,,\n", more)


FLOATS = ("ratio", "passed")
TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1)
TABLE = st.lists(
    st.fixed_dictionaries(
        {
            "step": st.integers(0, 2**53),
            "op": TEXT,
            "ratio": st.floats(0, allow_nan=False, allow_infinity=False),
            "passed": st.none() | st.floats(0, 1),
            "count": st.none() | st.integers(0, 2**53),
        }
    ),
    min_size=1,
    unique_by=lambda row: (row["step"], row["op"]),
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TABLE)
def test_what_is_written_is_read(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    ordered = [{column.name: row[column.name] for column in SCHEMA.columns} for row in rows]
    ordered.sort(key=lambda row: row["step"])
    write_table(tmp_path / "sample.csv", ordered, SCHEMA, OF)
    for found, row in zip(read(tmp_path / "sample.csv"), ordered, strict=True):
        assert found == {name: pytest.approx(value) if name in FLOATS else value for name, value in row.items()}


PARTS = [b"0,add,", b"0", b",", b"\n", b'"', b"1e5", b"-", b".", b"inf"]


@settings(max_examples=300, deadline=None)
@given(st.binary() | st.lists(st.sampled_from(PARTS)).map(b"".join))
def test_any_bytes_are_a_table_or_refused(rows: bytes) -> None:
    try:
        _, table = checked(HEAD + rows, SCHEMA)
    except TableError:
        return
    assert len(table) == rows.count(b"\n")
