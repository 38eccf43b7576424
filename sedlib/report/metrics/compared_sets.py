"""Two sets of summaries of the same runs, such as those of two processors, number by number."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from sedlib.base.described.described_pairs import require_pairs
from sedlib.base.described.description import description_of, parsed
from sedlib.base.errors import UserError, in_one_line
from sedlib.report.metrics.curves_of_runs import gradient_alone, longest_window
from sedlib.report.numbers.digits import NOTHING, number
from sedlib.report.numbers.results import RunFolder
from sedlib.report.numbers.summary import by_stream_and_window
from sedlib.terms.stream_names import UPDATE, gradient_of

GROK_STEP = "grok step"
QUANTITIES = {
    "gradient, plateau": ("gradient", "plateau"),
    "gradient, peak": ("gradient", "peak"),
    "W = 1, peak": ("alone", "peak"),
    "update, plateau": ("update", "plateau"),
    "update, peak": ("update", "peak"),
}
"""Of a run's summary, by the column's title."""
OPERATION = ", "
"""Before the operation, in the row of a run of several; no run has it in its name."""


def summaries_in(folder: Path) -> dict[str, dict[str, Any]]:
    """The summary of each run in a folder of results, such as artifacts/results, in order of the names.

    Raises
    ------
    UserError
        There is none, or one is damaged, or has no description, or a description has no summary.
    """
    require_pairs(folder, "*/summary.*")
    files = sorted(folder.glob("*/summary.json"))
    if not files:
        raise UserError(
            f"{folder}: expected results of runs, RUN/summary.json and its RUN/summary.resource.json, found none; "
            "name a folder such as artifacts/results"
        )
    return {file.parent.name: RunFolder(file.parent).summary() for file in files}


def numbers_of(summaries: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """A row for each run and operation, a column for each quantity; what does not exist is missing."""
    rows = []
    for run, summary in summaries.items():
        for op, values in summary["ops"].items():
            curves = {
                "gradient": _if_measured(longest_window, values, gradient_of(op)),
                "update": _if_measured(longest_window, values, UPDATE),
                "alone": _if_measured(gradient_alone, values, op),
            }
            named = run if len(summary["ops"]) == 1 else f"{run}{OPERATION}{op}"
            read = {title: curves[curve].get(key) for title, (curve, key) in QUANTITIES.items()}
            rows.append({"run": named, GROK_STEP: values["grok_step"], **read})
    return pd.DataFrame(rows).set_index("run").astype(float)


def _if_measured(
    read: Callable[[Mapping[str, Any], str], Mapping[str, Any]], values: Mapping[str, Any], name: str
) -> Mapping[str, Any]:
    """A curve's numbers; none where the run has no such stream, or not that window of it."""
    try:
        return read(values, name)
    except (KeyError, ValueError):
        return {}


def side_by_side(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Cells "first / second" of the runs that both sets have.

    Raises
    ------
    UserError
        They have none in common.
    """
    common = [run for run in first.index if run in second.index]
    if not common:
        raise UserError(
            f"expected two sets of results with a run in common, found {', '.join(first.index[:5])} in one and "
            f"{', '.join(second.index[:5])} in the other; name folders of the same experiment"
        )

    def cell(run: str, title: str) -> str:
        values = (float(table[title][run]) for table in (first, second))
        return " / ".join(NOTHING if pd.isna(value) else number(value) for value in values)

    columns = {title: [cell(run, title) for run in common] for title in first.columns}
    return pd.DataFrame(columns, index=pd.Index(common, name="run")).reset_index()


def moves(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """How far each quantity moves from the first set to the second, apart for runs of one operation and of several."""
    common = first.index.intersection(second.index)
    several = common.str.contains(OPERATION, regex=False)
    kinds = {"runs of one operation": common[~several], "operations in runs of several": common[several]}
    columns = {
        f"{len(rows)} {kind}": [_moved(first.loc[rows, title], second.loc[rows, title]) for title in first.columns]
        for kind, rows in kinds.items()
        if len(rows)
    }
    return pd.DataFrame(columns, index=pd.Index(first.columns, name="moves by")).reset_index()


def _moved(first: "pd.Series[float]", second: "pd.Series[float]") -> str:
    """From the least to the largest change, and the median of their sizes."""
    in_steps = first.name == GROK_STEP
    change = (second - first if in_steps else 100 * (second / first - 1)).dropna()
    if change.empty:
        return NOTHING
    middle = change.abs().median()
    if in_steps:
        return f"{change.min():+,.0f} to {change.max():+,.0f} steps, half by {number(middle)} at most"
    return f"{change.min():+.0f} to {change.max():+.0f} %, half by {middle:.1f} % at most"


def in_one_alone(first: pd.DataFrame, second: pd.DataFrame) -> list[str]:
    """What only one of two sets has, in words: runs, and among those of both a grok step."""
    found = []
    for name, here, there in (("first", first, second), ("second", second, first)):
        common = [run for run in here.index if run in there.index]
        if never := [run for run in common if pd.notna(here[GROK_STEP][run]) and pd.isna(there[GROK_STEP][run])]:
            found.append(f"{GROK_STEP}: in the {name} set alone {', '.join(never)}")
    for name, here, there in (("first", first, second), ("second", second, first)):
        if alone := dict.fromkeys(run.partition(OPERATION)[0] for run in here.index if run not in there.index):
            found.append(f"in the {name} set alone: {', '.join(alone)}")
    return found


def other_settings(
    first: Path, second: Path, here: Mapping[str, Mapping[str, Any]], there: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """In which settings runs of one name part, so that their numbers part for that reason, too; in words."""
    values: dict[str, dict[str, list[str]]] = {}
    for run in (run for run in here if run in there):
        settings = [_settings(folder / run, summaries[run]) for folder, summaries in ((first, here), (second, there))]
        for name in sorted({*settings[0], *settings[1]}):
            said = [in_one_line(str(found.get(name, NOTHING))) for found in settings]
            if said[0] != said[1]:
                values.setdefault(in_one_line(name), {}).setdefault(" in the first set, ".join(said), []).append(run)
    return [
        f"{name}: {said} in the second, of {', '.join(runs)}"
        for name, found in values.items()
        for said, runs in found.items()
    ]


def _settings(run: Path, summary: Mapping[str, Any]) -> dict[str, Any]:
    """What the run's numbers depend on: its parameters, the bound of its grok step, the windows of its bases."""
    windows = {window for op in summary["ops"].values() for _, window in by_stream_and_window(op["streams"])}
    said = parsed(description_of(run / "summary.json").read_bytes()) or {}
    parameters = said.get("sedlib", {}).get("parameters")
    return {
        **(_leaves(parameters) if isinstance(parameters, Mapping) else {}),
        "grok_threshold": summary["grok_threshold"],
        "windows": sorted(windows),
    }


def _leaves(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Every value by its dotted name."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= _leaves(value, f"{above}{key}.") if isinstance(value, Mapping) else {f"{above}{key}": value}
    return found


def compared(first: Path, second: Path) -> str:
    """The tables and what they leave out, of two folders of results, as Markdown.

    Raises
    ------
    UserError
        A folder has no results, or damaged ones, or the two have no run in common.
    """
    found = [summaries_in(folder) for folder in (first, second)]
    sets = [numbers_of(summaries) for summaries in found]
    tables = [build(*sets).to_markdown(index=False, disable_numparse=True) for build in (side_by_side, moves)]
    lines = [f"- {line}." for line in (*in_one_alone(*sets), *other_settings(first, second, *found))]
    cells = f"`{in_one_line(str(first))}` / `{in_one_line(str(second))}`:"
    return "\n\n".join([cells, *tables, *(["\n".join(lines)] if lines else [])]) + "\n"
