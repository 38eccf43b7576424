"""The selftest's outcomes as a table, and as JSON."""

from collections.abc import Mapping, Sequence

from sedlib.base.strict_json import json_text
from sedlib.selftest.outcome import Outcome

HEADER = ("routine", "error", "allowed", "tolerance", "verdict")


def as_table(versions: Mapping[str, str], precision: str, outcomes: Sequence[Outcome]) -> str:
    """The machine, then a row for each routine; errors are shares of the largest entry."""
    rows = [HEADER, *(_row(outcome) for outcome in outcomes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER) - 1)]
    lines = ["  ".join([*map(str.ljust, row[:-1], widths), row[-1]]) for row in rows]
    machine = {**versions, "precision": precision}
    width = max(map(len, machine))
    return "\n".join([*(f"{name.ljust(width)}  {value}" for name, value in machine.items()), "", *lines])


def as_json(versions: Mapping[str, str], precision: str, outcomes: Sequence[Outcome]) -> str:
    """The same for a program; an error that is not finite is null."""
    routines = [
        {"routine": outcome.name, "error": outcome.error, "allowed": outcome.allowed, "problem": outcome.problem}
        for outcome in outcomes
    ]
    passed = not any(outcome.problem for outcome in outcomes)
    return json_text(
        {"versions": dict(versions), "precision": precision, "passed": passed, "routines": routines}, indent=2
    )


def _row(outcome: Outcome) -> tuple[str, ...]:
    error = "none" if outcome.error is None else f"{outcome.error:.1e}"
    verdict = f"FAILED: {outcome.problem}" if outcome.problem else "passed"
    return outcome.name, error, f"{outcome.allowed:.1e}", outcome.tolerance, verdict
