"""Tables of the interventions: grok steps by condition, speed-ups over the control, the curve against rank."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from sedlib.base.described.described_files import damaged
from sedlib.base.described.description import Origin, shown
from sedlib.base.described.tables import read_table
from sedlib.base.errors import UserError
from sedlib.report.by_scripts.stop_steps import stop_step
from sedlib.report.numbers.digits import printed
from sedlib.report.numbers.results import grok_step
from sedlib.report.numbers.seeds import estimate
from sedlib.report.numbers.summary import GROK_THRESHOLDS
from sedlib.terms.condition import CONTROL, NEED_FINISHED_RUN, PROJECTIONS, Condition
from sedlib.terms.conditions import CONDITIONS
from sedlib.terms.tables.cell_table import CELL, LABELS, cell_name

TABLED = [
    name
    for name, condition in CONDITIONS.items()
    if condition not in (*NEED_FINISHED_RUN, Condition("keep", "fixed-random"))
]
"""Names of the conditions in the paper's tables and of our additions; the others are of sweeps alone."""
OWN_LABELS = ["run", "seed", "op", "projection", "condition", "coordinates", "weight_decay", "max_steps"]
OPTIONS = ["target", "rank", "start", "strength", "size"]


def read_cell(file: Path, stage: str | None = None, parameters: str | None = None) -> pd.DataFrame:
    """The table of the cell that the file is called after.

    ``stage`` writes the table, as a rule one of the dvc.yaml nearby. Where ``parameters`` is None, any are accepted.

    Raises
    ------
    UserError
        It is missing, damaged, or another cell's; the message names the file and the remedy.
    """
    beside = file.parent.parent / "dvc.yaml"  # of a sweep
    stage = stage or (str(beside) if beside.exists() else CELL.stage)
    table = read_table(file, CELL, stage, Origin(file.stem, parameters))
    cells = names(table)
    if cells != [file.stem]:
        raise damaged(file, f"the cell {file.stem}", shown(" and ".join(cells)), stage)
    return table


def read_cells(
    files: Iterable[Path], parameters_of: Callable[[Mapping[str, Any]], str | None], stage: str | None = None
) -> list[pd.DataFrame]:
    """Tables of cells, each computed of what ``parameters_of`` says of its labels.

    Raises
    ------
    UserError
        One is missing, damaged, another cell's or of other parameters; the message names the file and the remedy.
    """
    tables = []
    for file in files:
        (labels,) = _labels(read_cell(file, stage))
        try:
            parameters = parameters_of(labels)
        except UserError as error:
            raise UserError(f"{file} is not of these parameters: {error}") from error
        tables.append(read_cell(file, stage, parameters))
    return tables


def names(table: pd.DataFrame) -> list[str]:
    """Names of the cells whose labels are in a table."""
    return [cell_name(labels) for labels in _labels(table)]


def _labels(table: pd.DataFrame) -> list[dict[str, Any]]:
    columns = [label.name for label in LABELS]
    labels = table[columns].drop_duplicates().astype(object)
    rows = labels.where(labels.notna(), None).itertuples(index=False)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def grok_steps(tables: Sequence[pd.DataFrame], threshold: float, labels: Sequence[str] = OWN_LABELS) -> pd.DataFrame:
    """One row per cell and operation of the cells' ``tables``.

    Columns: the cell's ``labels``; ``grok_step`` at ``threshold``, missing where it is not reached, with ``outcome``
    the step as text or "not within N steps"; ``stop_step``, at which the paper's scripts stop; ``grok_step_0.5`` and
    so on; ``train_accuracy``, the last one; ``passed``, mean share of the step that passed the projector after the
    natural steps; ``overlap``, last mean overlap of successive bases.

    Raises
    ------
    UserError
        There is no table.
    """
    if not tables:
        raise UserError("no cell was run; run `dvc repro interventions/dvc.yaml`, or the sweep that has the cells")
    rows = []
    for table in tables:
        for op, curve in table.groupby("op"):
            named = {name: curve[name].iloc[0] for name in labels}
            rows.append({**named, **_outcome(curve, str(op), threshold)})
    return pd.DataFrame(rows).astype({"grok_step": "Int64", "stop_step": "Int64", "coordinates": "Int64"})


def require_one_each(cells: pd.DataFrame, place: Sequence[str]) -> None:
    """Refuse two cells in one ``place`` of a table, where a seed would count twice.

    Raises
    ------
    UserError
        There are such cells; the message has what they have in common.
    """
    twice = cells[cells.duplicated(list(place), keep=False)]
    if len(twice):
        common = {name: twice[name].iloc[0] for name in place if not pd.isna(twice[name].iloc[0])}
        raise UserError(
            "expected one cell for each run in a row of the table, found two with "
            f"{', '.join(f'{name} {value}' for name, value in common.items())}; name each cell once, and move cells "
            "away that differ in what the table does not show"
        )


def _outcome(curve: pd.DataFrame, op: str, threshold: float) -> dict[str, Any]:
    found = grok_step(curve, op, threshold)
    return {
        "grok_step": found,
        "stop_step": stop_step(curve, op, threshold),
        "outcome": f"{found}" if found is not None else f"not within {curve['max_steps'].iloc[0]} steps",
        **{f"grok_step_{t}": grok_step(curve, op, t) for t in GROK_THRESHOLDS},
        "train_accuracy": curve["train_accuracy"].iloc[-1],
        "passed": _after_the_natural_steps(curve["passed"]).mean(),
        "overlap": curve["overlap"].dropna().iloc[-1] if curve["overlap"].notna().any() else None,
    }


def _after_the_natural_steps(passed: pd.Series) -> pd.Series:
    """Shares from the second that is not 1 on, as the first may be of natural steps in part.

    Where all steps pass whole, all shares are 1.
    """
    projected = (passed.notna() & (passed != 1)).to_numpy()
    return passed.iloc[projected.argmax() + 1 :] if projected.any() else passed


def intervention_table(cells: pd.DataFrame, op: str, projection: str) -> pd.DataFrame:
    """Table 4 (``projection`` update) or 5 (gradient) for one operation: a row per condition that was run.

    Columns: one per seed with the outcome; ``mean`` of the grok steps, only where every seed grokked; ``speedup``, mean
    over seeds of the control's grok step over the condition's, with its 95 % bootstrap interval ``speedup_low`` to
    ``speedup_high`` where there are three seeds, and ``n`` the number of seeds for which both grokked.
    """
    plain = cells[(cells["op"] == op) & cells["coordinates"].isna() & cells["weight_decay"].isna()]
    control = plain[plain["condition"] == CONTROL.name].set_index("seed")["grok_step"]
    rows = []
    others = sorted(set(plain["condition"]) - set(TABLED))
    for condition in [*TABLED, *others]:
        ours = plain[
            (plain["condition"] == condition) & ((plain["projection"] == projection) | (condition == CONTROL.name))
        ].set_index("seed")
        if ours.empty:
            continue
        found = speedups(control, ours["grok_step"]).dropna()
        rows.append(
            {
                "condition": condition,
                **{str(seed): outcome for seed, outcome in ours["outcome"].sort_index().items()},
                "mean": None if ours["grok_step"].isna().any() else float(ours["grok_step"].mean()),
                **spread(found),
            }
        )
    return pd.DataFrame(rows)


def without_weight_decay(cells: pd.DataFrame) -> pd.DataFrame:
    """Outcome of each condition that was run with weight decay 0."""
    found = cells[cells["weight_decay"] == 0]
    return found[["run", "op", "projection", "condition", "outcome"]].reset_index(drop=True)


def rank_curve(cells: pd.DataFrame) -> pd.DataFrame:
    """Outcome and speed-up over the control of the same run against the number of coordinates kept."""
    control = cells[(cells["condition"] == CONTROL.name) & cells["weight_decay"].isna()].set_index("run")["grok_step"]
    found = cells[cells["coordinates"].notna()].sort_values(["run", "coordinates"])
    speedup = speedups(found["run"].map(control), found["grok_step"])
    return found[["run", "coordinates", "outcome", "passed"]].assign(speedup=speedup).reset_index(drop=True)


def has_options(table: pd.DataFrame) -> bool:
    """Whether a cell has an option that tells it from the pipeline's cell of its condition, such as another rank."""
    return bool(table[OPTIONS].notna().any(axis=None))


def as_text(cells: pd.DataFrame) -> str:
    """All tables for a terminal; a table without cells is left out."""
    tables = {
        f"{op}, {projection} projection": intervention_table(cells, op, projection)
        for op in cells["op"].unique()
        for projection in PROJECTIONS
    }
    tables |= {"weight decay 0": without_weight_decay(cells), "coordinates kept": rank_curve(cells)}
    return "\n\n".join(f"{title}\n{printed(table, 4)}" for title, table in tables.items() if not table.empty)


def speedups(control: pd.Series, steps: pd.Series) -> pd.Series:
    """The control's grok steps over others; missing where either is, and where the other is step 0, before training."""
    return control / steps.where(steps > 0)


def spread(found: pd.Series) -> dict[str, float | int | None]:
    """Mean of the seeds' speed-ups with its interval."""
    if found.empty:
        return {"speedup": None, "speedup_low": None, "speedup_high": None, "n": 0}
    mean = estimate(found.tolist())
    return {"speedup": mean.mean, "speedup_low": mean.low, "speedup_high": mean.high, "n": mean.n}
