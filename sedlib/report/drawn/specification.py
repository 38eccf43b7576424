"""Charts as Vega-Lite specifications, shared by the page and by `dvc plots`.

A specification holds DVC's anchor in place of its data: DVC fills in a table of reports/data, the page the same table.
Choices, and which series are shown, are inputs of the chart itself, so that both have them. Every run of an experiment
is a line, and the grok step of each run a dashed rule.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from sedlib.report.drawn.charts import CHARTS, COLOURS, Chart
from sedlib.report.drawn.panels import BLUE, GREY

DATA_ANCHOR = "<DVC_METRIC_DATA>"
TITLES = {"op": "operation"}
"""Titles of the columns by which a reader chooses."""
ROUND_NUMBERS = [0, *(10**power for power in range(1, 10))]
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"


def specification(chart: Chart, data: pd.DataFrame) -> dict[str, Any]:
    """The chart's Vega-Lite specification, with DVC's anchor for its data."""
    shows = _shows(chart, data)
    return {
        "$schema": SCHEMA,
        "title": chart.title,
        "width": "container",
        "height": 340,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": DATA_ANCHOR},
        "params": [
            *(
                _choice(column, [str(value) for value in data[column].unique()], TITLES.get(column, column))
                for column in chart.choices
            ),
            *([_choice("show", list(shows), "show")] if shows else []),
        ],
        "transform": [
            {"calculate": "isValid(datum.rev) ? datum.rev : 'this report'", "as": "revision"},
            *({"filter": f"'' + datum['{column}'] === '' + {_parameter(column)}"} for column in chart.choices),
            *([{"filter": f"indexof({_by_choice(shows)}, datum['{chart.series}']) >= 0"}] if shows else []),
        ],
        "layer": [
            *([_band(chart)] if chart.band else []),
            _lines(chart, data, shows),
            *([_grok_steps(chart)] if "grok_step" in data and not (chart.order or chart.y == "grok_step") else []),
        ],
    }


def _lines(chart: Chart, data: pd.DataFrame, shows: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """A line for each run and series, with its points, and the scales that can be moved."""
    series = [str(name) for name in data[chart.series].unique()]
    colours = {"domain": series, "range": [COLOURS.get(name, BLUE) for name in series]}
    legend = {"orient": "bottom", "columns": 3, "labelLimit": 300}
    zoom = {"type": "interval", "zoom": "wheel![event.shiftKey]"}
    if chart.order:
        zoom["encodings"] = ["y"]  # type: ignore[assignment]  # categories have no scale to move
    shown = dict.fromkeys(
        [chart.series, *chart.choices, "run", "seed", chart.x, chart.y, *(chart.band or ()), "revision"]
    )
    return {
        "params": [{"name": "zoom", "select": zoom, "bind": "scales"}],
        "mark": {"type": "line", "point": {"size": 22}, "interpolate": "linear", "strokeWidth": 1.6},
        "encoding": {
            "x": _x(chart),
            "y": _y(chart),
            "color": {
                "field": chart.series,
                "type": "nominal",
                "title": None,
                "scale": colours,
                "legend": {**legend, **({"values": {"expr": _by_choice(shows)}} if shows else {})},
            },
            "detail": {"field": "seed" if "seed" in data else "run"},
            "strokeDash": {"field": "revision", "type": "nominal", "legend": None},
            "tooltip": [{"field": column} for column in shown if column in data or column == "revision"],
        },
    }


def _band(chart: Chart) -> dict[str, Any]:
    """Between two columns, run by run."""
    low, high = chart.band or ("", "")
    return {
        "mark": {"type": "area", "opacity": 0.25, "color": BLUE},
        "encoding": {
            "x": _x(chart),
            "y": {**_y(chart), "field": low},
            "y2": {"field": high},
            "detail": {"field": "run"},
        },
    }


def _grok_steps(chart: Chart) -> dict[str, Any]:
    """A dashed rule at the grok step of each run that is shown."""
    return {
        "transform": [
            {"filter": "isValid(datum.grok_step) && datum.grok_step !== ''"},
            {"aggregate": [{"op": "min", "field": "grok_step", "as": "grok step"}], "groupby": ["run"]},
        ],
        "mark": {"type": "rule", "strokeDash": [4, 4], "color": GREY},
        "encoding": {
            "x": {"field": "grok step", "type": "quantitative"},
            "tooltip": [{"field": "run"}, {"field": "grok step", "type": "quantitative"}],
        },
    }


def _shows(chart: Chart, data: pd.DataFrame) -> dict[str, list[str]]:
    """The chart's choices of series that are there, and all of them."""
    series = [str(name) for name in data[chart.series].unique()]
    found = {name: [one for one in wanted if one in series] for name, wanted in chart.shows.items()}
    return {name: there for name, there in found.items() if there} | {"everything": series} if chart.shows else {}


def _by_choice(shows: Mapping[str, Sequence[str]]) -> str:
    """An expression: the series of what is chosen."""
    parameter = _parameter("show")
    return (
        "".join(f"{parameter} === {json.dumps(name)} ? {json.dumps(series)} : " for name, series in shows.items())
        + "[]"
    )


def _choice(column: str, options: Sequence[str], title: str) -> dict[str, Any]:
    return {
        "name": _parameter(column),
        "value": options[0],
        "bind": {"input": "select", "options": list(options), "name": f"{title} "},
    }


def _parameter(column: str) -> str:
    return f"choice_{column}"


def _y(chart: Chart) -> dict[str, Any]:
    scale = {"type": "log"} if chart.log else {"type": "linear", "zero": False}
    return {"field": chart.y, "type": "quantitative", "title": chart.y_title, "scale": scale}


def _x(chart: Chart) -> dict[str, Any]:
    if chart.order:
        slanted = {"labelAngle": -30, "title": None, "labelLimit": 160}
        return {"field": chart.x, "type": "ordinal", "sort": {"field": chart.order}, "axis": slanted}
    scale = {"type": "symlog" if chart.logarithmic_x else "linear"}
    axis: dict[str, Any] = {"labelFlush": False, **({"values": ROUND_NUMBERS} if chart.logarithmic_x else {})}
    return {"field": chart.x, "type": "quantitative", "title": chart.x_title, "scale": scale, "axis": axis}


def charts_of(tables: dict[str, pd.DataFrame]) -> Sequence[tuple[Chart, dict[str, Any]]]:
    """The charts whose tables exist, with their specifications."""
    return [(chart, specification(chart, tables[chart.name])) for chart in CHARTS if chart.name in tables]
