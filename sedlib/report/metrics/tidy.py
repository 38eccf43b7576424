"""The tidy tables behind the charts, one row per point: reports/data. Numbers are cut to four digits."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from sedlib.report.numbers.collection import Collection
from sedlib.report.numbers.digits import rounded
from sedlib.report.numbers.experiments import experiment
from sedlib.report.numbers.paper import CENTROID_NAMES
from sedlib.report.numbers.results import mean_ratios
from sedlib.report.numbers.rungs import OWN_GRADIENT, RUNGS, rung_label
from sedlib.terms.condition import CONTROL
from sedlib.terms.stream_names import LADDER, TOTAL_GRADIENT, StreamName

DIGITS = 4


def tidy(found: Collection) -> dict[str, pd.DataFrame]:
    """Table by name; one without rows is left out."""
    built = {
        "coupling": _of_runs({run: _coupling(results.coupling) for run, results in found.runs.items()}),
        "accuracy": _of_runs({run: _accuracy(results.training) for run, results in found.runs.items()}),
        "ladder": _of_runs({run: _ladder(found, run) for run in found.runs}),
        "rank90": _of_runs({run: _rank90(results.centroids) for run, results in found.runs.items()}),
        "restricted_loss": _of_runs(
            {
                run: _losses(results.restricted_loss)
                for run, results in found.runs.items()
                if results.restricted_loss is not None
            }
        ),
        "defect": _defects(found),
        "ablation": _of_runs(found.ablations),
        "interventions": _trajectories(found.trajectories),
        "rank_curve": _rank_curve(found.cells),
    }
    places = of_what(found)
    return {name: _cut(_placed(table, places)) for name, table in built.items() if not table.empty}


def of_what(found: Collection) -> dict[str, tuple[str, int | None]]:
    """Experiment and grok step, by the name of a run or of one operation of a run of several."""
    places: dict[str, tuple[str, int | None]] = {}
    for run, summary in found.summaries.items():
        several, decay = len(summary["ops"]) > 1, experiment(summary).partition(", ")[2]
        for op, numbers in summary["ops"].items():
            name = " ".join([op, *(["of several operations"] if several else []), *([decay] if decay else [])])
            places[f"{run} {op}" if several else run] = (name, numbers["grok_step"])
        places.setdefault(run, (experiment(summary), _last(summary)))
    return places


def _last(summary: Mapping[str, Any]) -> int | None:
    """The step at which all operations have grokked."""
    steps = [numbers["grok_step"] for numbers in summary["ops"].values()]
    return None if None in steps else max(steps)


def _placed(table: pd.DataFrame, places: Mapping[str, tuple[str, int | None]]) -> pd.DataFrame:
    """A table by run, with experiment and grok step beside it."""
    if "run" not in table or "grok_step" in table:
        return table
    found = [places.get(run, (run, None)) for run in table["run"]]
    steps = pd.array([step for _, step in found], dtype="Int64")
    return table.assign(experiment=[name for name, _ in found], grok_step=steps)


def _of_runs(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Tables one under the other, with the run's name; that of an operation among several has its name beside it."""
    named = []
    for run, table in tables.items():
        several = len(table["op"].unique()) > 1
        named.append(table.assign(run=run + " " + table["op"] if several else run))
    return pd.concat(named) if named else pd.DataFrame()


def _coupling(coupling: pd.DataFrame) -> pd.DataFrame:
    ratios = mean_ratios(coupling).sort_values("window", ascending=False, kind="stable")
    window = "W = " + ratios["window"].astype(str)
    return ratios.assign(stream=ratios["stream"].map(_series), window=window)


def _series(stream: str) -> str:
    """What a chart calls a stream, whose operation it names elsewhere."""
    name = StreamName.of(stream)
    if name.task is not None:
        return OWN_GRADIENT
    if stream == TOTAL_GRADIENT:
        return "aggregate gradient"
    return name.part if name.kind == LADDER and name.part else stream


def _accuracy(training: pd.DataFrame) -> pd.DataFrame:
    columns = {"train_accuracy": "training pairs", "test_accuracy": "held-out pairs"}
    return training.melt(["step", "op"], list(columns), "split", "accuracy").replace({"split": columns})


def _ladder(found: Collection, run: str) -> pd.DataFrame:
    table = found.ladders[run].dropna(subset="plateau")
    labels = table["rung"].map(lambda rung: rung_label(RUNGS.get(str(rung), str(rung))))
    window = "W = " + table["window"].astype(str)
    position = table["rung"].map(lambda rung: [*RUNGS, rung].index(rung))
    return table.assign(rung=labels, window=window, position=position).drop(columns="stream")


def _rank90(centroids: pd.DataFrame) -> pd.DataFrame:
    table = centroids[["step", "op", "centroid", "rank90", "pc1_share", "alignment"]]
    return table.replace({"centroid": CENTROID_NAMES})


def _losses(losses: pd.DataFrame) -> pd.DataFrame:
    names = {
        "loss": "loss, all pairs",
        "restricted_loss": "restricted to key frequencies",
        "train_loss": "loss, training pairs",
        "excluded_loss": "key frequencies excluded, training pairs",
    }
    return losses.melt(["step", "op"], list(names), "kind", "loss_value").replace({"kind": names})


def _defects(found: Collection) -> pd.DataFrame:
    columns = {"defect_low": "lower_quartile", "defect_high": "upper_quartile"}
    named = [geometry.curvature.assign(run=run) for run, geometry in found.geometry.items()]
    if not named:
        return pd.DataFrame()
    table = pd.concat(named).rename(columns=columns).assign(line="median of the draws")
    return table[["run", "step", "line", "defect", *columns.values()]]


def _trajectories(trajectories: pd.DataFrame | None) -> pd.DataFrame:
    if trajectories is None:
        return pd.DataFrame()
    plain = trajectories[trajectories["coordinates"].isna() & trajectories["weight_decay"].isna()]
    projections = sorted(plain["projection"].dropna().unique(), reverse=True)
    shared = plain["condition"] == CONTROL.name  # stands beside either projection
    both = [plain[shared].assign(projection=projection) for projection in projections]
    columns = ["step", "op", "seed", "condition", "projection", "test_accuracy"]
    return pd.concat([*both, plain[~shared]])[columns]


def _rank_curve(cells: pd.DataFrame | None) -> pd.DataFrame:
    if cells is None:
        return pd.DataFrame()
    swept = cells[cells["coordinates"].notna() & cells["grok_step"].notna()]
    return swept.sort_values("coordinates")[["run", "coordinates", "grok_step"]]


def _cut(table: pd.DataFrame) -> pd.DataFrame:
    floats = table.select_dtypes("float").columns
    return table.assign(**{name: table[name].map(lambda value: rounded(value, DIGITS)) for name in floats})
