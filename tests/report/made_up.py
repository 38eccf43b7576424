"""Results of a few small runs, made up, as files; equal calls give equal files."""

import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from sedlib.base.described.described_files import write_described
from sedlib.base.described.description import Origin
from sedlib.base.described.table_schema import Column, TableSchema
from sedlib.base.described.tables import write_table
from sedlib.base.strict_json import json_text
from sedlib.pipeline.parameters.ablation_params import AXES
from sedlib.pipeline.rows.streams import LADDER
from sedlib.report.numbers.cell_results import names
from sedlib.report.numbers.collection import Collection, Expected, collect
from sedlib.report.numbers.results import RunFolder, RunResults
from sedlib.report.numbers.summary import summarise
from sedlib.terms.tables.ablation_table import ABLATION
from sedlib.terms.tables.cell_table import CELL
from sedlib.terms.tables.centroid_table import CENTROIDS
from sedlib.terms.tables.coupling_table import COUPLING
from sedlib.terms.tables.curvature_table import CURVATURE
from sedlib.terms.tables.fourier_tables import FOURIER, RESTRICTED_LOSS
from sedlib.terms.tables.single_step_tables import ANGLES, SINGLE_STEP
from sedlib.terms.tables.spectra_table import SPECTRA
from sedlib.terms.tables.summary_file import SUMMARY
from sedlib.terms.tables.training_table import TRAINING
from sedlib.terms.tables.trajectory_tables import TRAJECTORY, TRAJECTORY_WINDOWS

STEPS = [0, 10, 20, 30, 40]
GROKKED = 30
RUNS = {"add-1": (["add"], 1), "add-2": (["add"], 2), "add-3": (["add"], 3), "both-1": (["add", "mul"], 1)}
CONTROLS = {
    "quad-1": (["quad"], None),
    "cubic-1": (["cubic"], None),
    "add-1-wd0": (["add"], 0.0),
    "mul-1-wd0": (["mul"], 0.0),
}
"""Operations and weight decay; all of seed 1."""
ABLATED, INTERVENED = ["add-1"], ["add-1", "add-2"]


def collection(folder: Path) -> Collection:
    """Everything written under ``folder`` and read again."""
    write(folder)
    return collect(folder, EXPECTED)


def write(folder: Path) -> None:
    """All tables; sub-1 was not run."""
    shutil.copytree(_written().name, folder, dirs_exist_ok=True)


@cache
def _written() -> TemporaryDirectory[str]:
    written = TemporaryDirectory()
    _write(Path(written.name))
    return written


def _write(folder: Path) -> None:
    for run, (ops, seed) in RUNS.items():
        write_run(folder / run, ops, seed)
    for run in ABLATED:
        for axis in AXES:
            save_ablation(ablated(axis), folder / run, axis)
    for run in ("add-1", "add-2"):
        single, angles = single_step()
        save(single, folder / run, SINGLE_STEP)
        save(angles, folder / run, ANGLES)
    for cell in cells().values():
        save_cell(cell, folder / "interventions")


def write_run(folder: Path, ops: list[str], seed: int) -> None:
    """A run's own tables and summary; the run is called as the folder."""
    for name, table in (run_tables(ops, seed) | geometry_tables(seed)).items():
        save(table, folder, RUN_TABLES[name])
    found = RunResults.load(RunFolder(folder))
    save_summary(summarise(found, {"seed": seed, "weight_decay": None}, 0.98), folder)


def write_controls(folder: Path, *, accurate: bool) -> None:
    """Tables of the controls, whose ratios are squared; the first one's defect never rises."""
    for run, (ops, weight_decay) in CONTROLS.items():
        tables = run_tables(ops, 1) | geometry_tables(1)
        tables["coupling"]["ratio"] **= 2
        if not accurate:
            tables["training"]["test_accuracy"] = 0.1
        if run == "quad-1":
            tables["curvature"]["defect"] = 4.0
        for name, table in tables.items():
            save(table, folder / run, RUN_TABLES[name])
        found = RunResults.load(RunFolder(folder / run))
        save_summary(summarise(found, {"seed": 1, "weight_decay": weight_decay}, 0.98), folder / run)


RUN_TABLES = {
    schema.name: schema
    for schema in (
        TRAINING,
        SPECTRA,
        CENTROIDS,
        COUPLING,
        FOURIER,
        RESTRICTED_LOSS,
        TRAJECTORY,
        TRAJECTORY_WINDOWS,
        CURVATURE,
    )
}


def save(table: pd.DataFrame, folder: Path, schema: TableSchema) -> None:
    """Write a run's table; columns that a test says nothing of are filled."""
    write_table(folder / f"{schema.name}.csv", filled(table, schema), schema, Origin(folder.name, "{}"))


def save_ablation(table: pd.DataFrame, folder: Path, axis: str) -> None:
    write_table(folder / "ablation" / f"{axis}.csv", filled(table, ABLATION), ABLATION, Origin(folder.name, "{}"))


def save_cell(table: pd.DataFrame, folder: Path) -> Path:
    """Write a cell's table under the name that its labels give it."""
    table = filled(table, CELL)
    (name,) = names(table)
    write_table(folder / f"{name}.csv", table, CELL, Origin(name, "{}"))
    return folder / f"{name}.csv"


def save_summary(summary: dict[str, Any], folder: Path) -> None:
    write_described(folder / "summary.json", json_text(summary).encode(), SUMMARY, Origin(folder.name, "{}"))


def filled(table: pd.DataFrame, schema: TableSchema) -> pd.DataFrame:
    """The table with a value in each column that it lacks, and the columns in their order."""
    needed = [column for column in schema.columns if column.name in table or not column.is_optional]
    return pd.DataFrame({column.name: table.get(column.name, _some(column)) for column in needed}, table.index)


def _some(column: Column) -> float | str | None:
    if column.may_be_empty:
        return None
    return "some" if column.kind == "string" else max(1, column.minimum or 1)


def run_tables(ops: list[str], seed: int) -> dict[str, pd.DataFrame]:
    """The tables of one run; ratios grow with the seed, and fall from gradient to update."""
    streams = {"update": 2.0, **{f"ladder/{rung}": 30.0 - 3 * i for i, rung in enumerate(LADDER)}}
    streams |= {f"gradient/{op}": 60.0 for op in ops} | ({"gradient/total": 50.0} if len(ops) > 1 else {})
    training: list[dict[str, Any]] = [
        {
            "step": step,
            "op": op,
            "train_accuracy": 1.0,
            "test_accuracy": 0.99 if step >= GROKKED else 0.002 * step * seed,
        }
        for step in STEPS
        for op in ops
    ]
    spectra: list[dict[str, Any]] = [
        {"step": step, "stream": stream, "window": 2, "k_star": 1, "overlap_with_next": 0.9}
        | {"ratio23": 1.8 if step == 10 else 1.5, "g23": 0.1 if stream == "update" and step >= GROKKED else 2.0}
        for stream in streams
        for step in STEPS
    ]
    centroids: list[dict[str, Any]] = [
        {"step": step, "op": op, "centroid": kind, "rank90": rank + step, "pc1_share": 0.1, "alignment": 0.2}
        | {"row_cosine": 0.1, "top1_cosine": 0.3, "top3_cosine": 0.5}
        for step in STEPS
        for op in ops
        for kind, rank in (("logit", 60), ("full", 70))
    ]
    coupling: list[dict[str, Any]] = [
        {"step": step, "stream": stream, "window": window, "op": op, "direction": direction + 1}
        | {"ratio": level * seed * (1 + step / 100) / window}
        for step in STEPS[1:]
        for stream, level in streams.items()
        for window in (1, 2)
        for op in ops
        if not stream.startswith("gradient/") or stream in (f"gradient/{op}", "gradient/total")
        for direction in range(window)
    ]
    fourier: list[dict[str, Any]] = [
        {
            "step": step,
            "op": op,
            "basis": "additive",
            "component": component,
            "r2": 0.3,
            "frequency": 5,
            "r2_answer": 0.4,
        }
        for step in STEPS
        for op in ops
        for component in (1, 2, 3)
    ]
    losses: list[dict[str, Any]] = [
        {"step": step, "op": op, "loss": 2.0, "restricted_loss": 1.0, "train_loss": 0.5, "excluded_loss": 3.0}
        for step in STEPS
        for op in ops
    ]
    tables: dict[str, list[dict[str, Any]]] = {
        "training": training,
        "spectra": spectra,
        "centroids": centroids,
        "coupling": coupling,
    }
    tables |= {"fourier": fourier, "restricted_loss": losses}
    return {name: pd.DataFrame(rows) for name, rows in tables.items()}


def geometry_tables(seed: int) -> dict[str, pd.DataFrame]:
    """PC1 is 70 and 90 %, the defect rises to 100 at step 20, 10 before the accuracy does, and on with the seed."""
    matrices = {"layer 0 W_Q": 70.0, "layer 0 W_O": 90.0}
    whole = [{"matrix": name, "pc1_percent": at, "walk_mean": 60.0, "walk_std": 2.0} for name, at in matrices.items()]
    windows = [{"step": step, "matrix": name, "pc1_percent": at} for step in STEPS[2:] for name, at in matrices.items()]
    curvature = pd.DataFrame({"step": STEPS, "defect": [4.0, 4.0, 100.0, 400.0, 400.0 * seed]})
    curvature = curvature.assign(defect_low=curvature["defect"] - 1, defect_high=curvature["defect"] + 1)
    curvature = curvature.assign(rho=0.9999, share=0.02, random_share=0.011, expected_share=0.01)
    curvature = curvature.assign(alignment=[float("nan"), 0.004, 0.006, 0.008, 0.006], expected_alignment=0.002)
    weights = curvature.assign(share=[0.01, 0.02, 0.03, 0.01, 0.01])
    curvature = pd.concat([curvature.assign(basis="trajectory"), weights.assign(basis="weights")])
    trajectory = pd.DataFrame(whole)
    trajectory["z"] = (trajectory["pc1_percent"] - trajectory["walk_mean"]) / trajectory["walk_std"]
    return {"trajectory": trajectory, "trajectory_windows": pd.DataFrame(windows), "curvature": curvature}


def ablated(axis: str) -> pd.DataFrame:
    own: dict[str, list[Any]] = {"window": [1, 20, 40], "epsilon": [0.001, 0.005], "centroid": ["logit", "full"]}
    values = own.get(axis, [1, 2])
    return pd.DataFrame(
        [
            {"axis": axis, "value": value, "op": "add", "step": step, "direction": i, "ratio": 100.0 / (place + i)}
            for place, value in enumerate(values)
            for step in STEPS[1:]
            for i in (1, 2)
        ]
    )


def single_step() -> tuple[pd.DataFrame, pd.DataFrame]:
    phases = {"init": 0, "mid": 20, "after": 40}
    ratios = [
        {
            "phase": phase,
            "step": step,
            "op": "add",
            "estimator": estimator,
            "centroid": kind,
            "ratio": level * (1 + step),
        }
        for phase, step in phases.items()
        for estimator, level in (("per-example", 27.0), ("mean-gradient", 20.0), ("window", 15.0))
        if (phase, estimator) != ("init", "window")
        for kind in ("logit", "full")
    ]
    angles = [
        {"phase": phase, "step": step, "op": "add", "first": "per-example", "second": "mean-gradient"}
        | {"first_cosine": 0.2, "number": 1, "angle": 78.0}
        for phase, step in phases.items()
    ]
    return pd.DataFrame(ratios), pd.DataFrame(angles)


def cells() -> dict[str, pd.DataFrame]:
    """Control, keep-random, freeze, both raw conditions; coordinates and no weight decay of the first run."""
    conditions = {"control": 40, "keep-random": 20, "freeze": 20, "keep-sed-raw": 40, "remove-sed-raw": 20}
    tables = []
    for run in INTERVENED:
        for condition, step in conditions.items():
            for projection in ("update", "gradient") if condition != "control" else (None,):
                tables.append(cell(run, condition, projection, step))
    for coordinates, step in ((0, 10), (131, 20), (131072, 40)):
        tables.append(cell("add-1", "keep-random", "update", step, coordinates=coordinates))
    for condition, projection in (("control", None), ("freeze", "update")):
        tables.append(cell("add-1", condition, projection, None, weight_decay=0.0))
    return {names(table)[0]: table for table in tables}


def cell(run: str, condition: str, projection: str | None, grokked: int | None, **labels: float) -> pd.DataFrame:
    same = {"run": run, "condition": condition, "projection": projection, "coordinates": None, "weight_decay": None}
    rows = pd.DataFrame(
        [
            {**same, **labels, "seed": RUNS[run][1], "max_steps": 40, "step": step, "op": "add"}
            | {
                "train_accuracy": 1.0,
                "test_accuracy": 0.99 if grokked is not None and step >= grokked else 0.1,
                "passed": 0.5,
                "overlap": 0.9,
            }
            for step in STEPS
        ]
    )
    return filled(rows, CELL)


CELLS = {
    **dict.fromkeys(cells(), "intervene"),
    "add-1-update-remove-random": "intervene@add-1-update-remove-random",
}
"""One more than there are."""
EXPECTED = Expected([*RUNS, "sub-1"], ABLATED, ["add-1", "add-2"], CELLS, 0.98)
WITH_CONTROLS = replace(EXPECTED, runs=[*EXPECTED.runs, *CONTROLS])
