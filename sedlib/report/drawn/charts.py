"""The interactive charts as Vega-Lite specifications, shared by the page and by `dvc plots`.

A specification holds DVC's anchor in place of its data: DVC fills in a table of reports/data, the page the same table.
Choices, and which series are shown, are inputs of the chart itself, so that both have them.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from sedlib.report.drawn.panels import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION

DATA_ANCHOR = "<DVC_METRIC_DATA>"
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
COLOURS = {
    "gradient": BLUE,
    "aggregate gradient": GREEN,
    "update": VERMILION,
    "minibatch-gradient": SKY,
    "momentum": PURPLE,
    "adam-direction": ORANGE,
    "step-without-decay": "#999999",
    "step": GREY,
    "update-without-decay": "#7A3E00",
    "control": GREY,
    "remove-sed": VERMILION,
    "remove-sed-raw": "#7A3E00",
    "keep-sed": BLUE,
    "keep-sed-raw": SKY,
    "remove-random": ORANGE,
    "keep-random": GREEN,
    "freeze": PURPLE,
    "held-out pairs": BLUE,
    "training pairs": GREY,
    "logit": BLUE,
    "full": GREY,
    "loss, all pairs": GREY,
    "restricted to key frequencies": BLUE,
    "loss, training pairs": "#999999",
    "key frequencies excluded, training pairs": VERMILION,
    "W = 1": SKY,
    "median": BLUE,
    "lower quartile": SKY,
    "upper quartile": SKY,
}
"""One colour per stream, condition and split, as in the figures."""


@dataclass(frozen=True)
class Chart:
    """One chart: a table of reports/data, and what is drawn of it."""

    name: str
    title: str
    caption: str
    x: str
    y: str
    series: str
    choices: tuple[str, ...]
    """Columns of which one value is shown at a time."""
    x_title: str
    y_title: str
    log: bool = False
    hidden: tuple[str, ...] = ()
    """Series that are not shown at first."""
    logarithmic_x: bool = False
    order: str | None = None
    """Column that orders a categorical x."""


CHARTS = (
    Chart(
        "coupling",
        "Coupling ratio over training",
        "How much centroids move along a stream's basis, relative to a random direction (1).",
        *("step", "ratio", "stream", ("run", "window"), "training step", "coupling ratio R̄"),
        log=True,
        hidden=(
            "minibatch-gradient",
            "momentum",
            "adam-direction",
            "step-without-decay",
            "step",
            "update-without-decay",
        ),
    ),
    Chart(
        "accuracy",
        "Accuracy",
        "Share of pairs answered correctly; the grok step is the first with 98 % of the held-out pairs.",
        *("step", "accuracy", "split", ("run",), "training step", "accuracy"),
    ),
    Chart(
        "ladder",
        "The estimator ladder",
        "Median coupling ratio before grokking on each rung between the gradient and the update.",
        *("rung", "plateau", "window", ("run",), "", "coupling ratio R̄"),
        log=True,
        order="position",
    ),
    Chart(
        "interventions",
        "Interventions",
        "Held-out accuracy while the attention slots move by a part of each step only.",
        *("step", "test_accuracy", "condition", ("op", "seed", "projection"), "training step", "held-out accuracy"),
    ),
    Chart(
        "rank_curve",
        "How much attention must move",
        "Grok step against the number of attention coordinates, fresh at each step, that may move.",
        *("coordinates", "grok_step", "run", (), "coordinates that may move", "grok step"),
        logarithmic_x=True,
    ),
    Chart(
        "defect",
        "Commutator defect",
        "How far two gradient steps are from commuting, over the draws of a measurement. Its rise is the onset.",
        *("step", "defect", "draws", ("run",), "training step", "commutator defect"),
        log=True,
    ),
    Chart(
        "rank90",
        "Rank of the centroids",
        "Principal components that hold 90 % of the centroids' spectrum.",
        *("step", "rank90", "centroid", ("run",), "training step", "rank-90"),
    ),
    Chart(
        "restricted_loss",
        "Restricted and excluded loss",
        "Loss of the network's key frequencies alone, and of everything but them.",
        *("step", "loss_value", "kind", ("run",), "training step", "cross-entropy (nats)"),
        log=True,
    ),
)


def specification(chart: Chart, data: pd.DataFrame) -> dict[str, Any]:
    """The chart's Vega-Lite specification, with DVC's anchor for its data."""
    series = [str(name) for name in data[chart.series].unique()]
    shown = {name: f"show_{index}" for index, name in enumerate(series)}
    return {
        "$schema": SCHEMA,
        "title": chart.title,
        "width": "container",
        "height": 340,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": DATA_ANCHOR},
        "params": [
            *(_choice(column, data[column]) for column in chart.choices),
            *(
                {"name": name, "value": label not in chart.hidden, "bind": {"input": "checkbox", "name": label}}
                for label, name in shown.items()
            ),
            {
                "name": "zoom",
                "select": {
                    "type": "interval",
                    "zoom": "wheel![event.shiftKey]",
                    **({"encodings": ["y"]} if chart.order else {}),  # categories have no scale to move
                },
                "bind": "scales",
            },
        ],
        "transform": [
            {"calculate": "isValid(datum.rev) ? datum.rev : 'this report'", "as": "revision"},
            *({"filter": f"'' + datum['{column}'] === '' + {_parameter(column)}"} for column in chart.choices),
            *(
                {"filter": f"{name} || datum['{chart.series}'] !== {json.dumps(label)}"}
                for label, name in shown.items()
            ),
        ],
        "mark": {"type": "line", "point": {"size": 28}, "interpolate": "linear"},
        "encoding": {
            "x": _x(chart),
            "y": {
                "field": chart.y,
                "type": "quantitative",
                "title": chart.y_title,
                "scale": {"type": "log"} if chart.log else {"type": "linear", "zero": False},
            },
            "color": {
                "field": chart.series,
                "type": "nominal",
                "title": None,
                "scale": {"domain": series, "range": [COLOURS.get(name, BLUE) for name in series]},
                "legend": {"orient": "bottom", "columns": 3, "labelLimit": 300},
            },
            "strokeDash": {"field": "revision", "type": "nominal", "legend": None},
            "tooltip": [
                {"field": field}
                for field in dict.fromkeys([chart.series, *chart.choices, chart.x, chart.y, "revision"])
            ],
        },
    }


def _choice(column: str, values: "pd.Series[Any]") -> dict[str, Any]:
    options = [str(value) for value in values.unique()]
    return {
        "name": _parameter(column),
        "value": options[0],
        "bind": {"input": "select", "options": options, "name": f"{column} "},
    }


def _parameter(column: str) -> str:
    return f"choice_{column}"


def _x(chart: Chart) -> dict[str, Any]:
    if chart.order:
        axis = {"labelAngle": -30, "title": None, "labelLimit": 160}
        return {"field": chart.x, "type": "ordinal", "sort": {"field": chart.order}, "axis": axis}
    scale = {"type": "symlog" if chart.logarithmic_x else "linear"}
    return {"field": chart.x, "type": "quantitative", "title": chart.x_title, "scale": scale}


def charts_of(tables: dict[str, pd.DataFrame]) -> Sequence[tuple[Chart, dict[str, Any]]]:
    """The charts whose tables exist, with their specifications."""
    return [(chart, specification(chart, tables[chart.name])) for chart in CHARTS if chart.name in tables]
