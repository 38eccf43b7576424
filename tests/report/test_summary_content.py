"""A summary whose hash is right may still be no summary."""

import json
from pathlib import Path
from typing import Any

import pytest

from sedlib.base.described.described_files import write_described
from sedlib.base.described.description import Origin
from sedlib.base.errors import UserError
from sedlib.report.numbers.results import RunFolder
from sedlib.report.numbers.summary_content import summary_in
from sedlib.terms.tables.summary_file import SUMMARY

STREAM = {"plateau": None, "peak": 3.0, "final": 2, "reason": "never groks"}
OPERATION: dict[str, Any] = {
    "grok_step": None,
    "grok_step_by_threshold": {"0.5": 3},
    "streams": {"update W=2": STREAM},
    "reason": "late",
}
WHOLE: dict[str, Any] = {"seed": 3, "last_step": 40, "grok_threshold": 0.98, "ops": {"add": OPERATION}}


def of_operation(**changed: Any) -> dict[str, Any]:
    return {**WHOLE, "ops": {"add": {**OPERATION, **changed}}}


def of_stream(**changed: Any) -> dict[str, Any]:
    return of_operation(streams={"update W=2": {**STREAM, **changed}})


def test_a_whole_summary_is_read_as_it_is() -> None:
    assert summary_in(json.dumps(WHOLE).encode()) == WHOLE


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"", "the whole"),
        (b"\xff", "the whole"),
        (b"[" * 9999, "the whole"),
        (b"[]", "the whole"),
        *(
            (json.dumps(summary).encode(), place)
            for summary, place in (
                ({}, "last_step"),
                ({**WHOLE, "ops": {}}, "ops"),
                ({**WHOLE, "last_step": True}, "last_step"),
                ({**WHOLE, "grok_threshold": "0.98"}, "grok_threshold"),
                (of_operation(grok_step=2.5), "ops.add.grok_step"),
                (of_operation(grok_step=10**400), "ops.add.grok_step"),
                (of_operation(reason=None), "ops.add"),
                ({**WHOLE, "last_step": -5}, "last_step"),
                (of_operation(streams={}), "ops.add.streams"),
                (of_operation(streams={"update W=x": STREAM}), "ops.add.streams.update W=x"),
                (of_operation(streams={"update W=0": STREAM}), "ops.add.streams.update W=0"),
                (of_stream(peak="3"), "ops.add.streams.update W=2.peak"),
                (of_stream(peak=None), "ops.add.streams.update W=2.peak"),
                (of_stream(final=float("inf")), "ops.add.streams.update W=2.final"),
                (of_stream(plateau=float("nan")), "ops.add.streams.update W=2.plateau"),
                (of_stream(other=1), "ops.add.streams.update W=2.other"),
            )
        ),
    ],
)
def test_what_is_no_summary_is_refused_with_the_place(content: bytes, place: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"of a summary's {place}: "):
        summary_in(content)
    write_described(tmp_path / "add-1/summary.json", content, SUMMARY, Origin("add-1", "{}"))
    with pytest.raises(UserError, match=rf"expected the numbers of a run, found .* {place}.*figures@add-1"):
        RunFolder(tmp_path / "add-1").summary()
