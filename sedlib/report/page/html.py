"""reports/index.html: one file with its scripts, data and charts inside, which asks no network for anything."""

import html
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import vl_convert

from sedlib.report.claims.claim import WEAKEST
from sedlib.report.claims.verdicts import MEANINGS
from sedlib.report.drawn.charts import Chart
from sedlib.report.numbers.digits import NOTHING

HERE = Path(__file__).parent
CHARTS_GLOBAL = "window.vegaEmbed = vegaEmbed;"
"""What the page's own script calls of the bundled libraries."""


def page(
    claims: pd.DataFrame,
    rules: pd.DataFrame,
    tables: Mapping[str, pd.DataFrame],
    charts: Sequence[tuple[Chart, dict[str, Any]]],
    data: Mapping[str, str],
    missing: Mapping[str, str],
    foot: Mapping[str, str],
) -> str:
    """The page; ``data`` holds the charts' tables as CSV, ``foot`` what the results were computed with."""
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<link rel="icon" href="data:,">',
            "<title>sedlib: gradient-direction sensitivity, measured</title>",
            f"<style>{(HERE / 'page.css').read_text()}</style></head><body>",
            "<h1>Which directions carry the features a network forms?</h1>",
            "<p>The claims of <cite>Gradient-Direction Sensitivity Reveals Linear-Centroid Coupling</cite> (arXiv "
            '2604.25143) beside what this pipeline measured. A verdict follows a <a href="#rules">rule</a>. Intervals '
            "are 95 % bootstrap intervals where there are three seeds.</p>",
            _navigation(charts, tables),
            '<main><section id="claims"><h2>Claim by claim</h2>',
            _table("claims", claims),
            _rules(rules),
            _missing(missing),
            "</section>",
            *(_chart(chart, specification, data[chart.name]) for chart, specification in charts),
            '<section id="tables"><h2>Tables</h2>',
            *(_table(name, table) for name, table in tables.items()),
            "</section></main>",
            _foot(foot),
            f"<script>{_safe(vl_convert.javascript_bundle(CHARTS_GLOBAL))}</script>",
            f"<script>{_safe((HERE / 'page.js').read_text())}</script>",
            "</body></html>",
            "",
        ]
    )


def _navigation(charts: Iterable[tuple[Chart, Any]], tables: Iterable[str]) -> str:
    links = [("claims", "claims"), *((chart.name, chart.title) for chart, _ in charts), ("tables", "tables")]
    anchors = (f'<a href="#{target}">{html.escape(text)}</a>' for target, text in links)
    return f"<nav>{''.join(anchors)}</nav>"


def _table(name: str, table: pd.DataFrame) -> str:
    head = "".join(
        f'<th scope="col"><button type="button">{html.escape(str(column))}</button></th>' for column in table
    )
    rows = "".join(
        f"<tr>{''.join(_cell(str(column), value) for column, value in row.items())}</tr>"
        for row in table.to_dict("records")
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{html.escape(name)}">'
        f'<table id="table-{name}"><caption>{html.escape(name)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _cell(column: str, value: Any) -> str:
    text = html.escape(NOTHING if value is None or pd.isna(value) else str(value))
    if column == "verdict":
        return f'<td class="verdict" data-verdict="{text}">{text}</td>'
    return f"<td><code>{text}</code></td>" if column == "command" else f"<td>{text}</td>"


def _rules(rules: pd.DataFrame) -> str:
    """What each verdict means, and how it is decided claim by claim."""
    meanings = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(text)}</dd>" for name, text in MEANINGS.items())
    return (
        f'<details id="rules"><summary>How verdicts are decided</summary><dl>{meanings}</dl>'
        f"<p>{html.escape(WEAKEST)}</p>{_table('rules', rules)}</details>"
    )


def _missing(missing: Mapping[str, str]) -> str:
    if not missing:
        return ""
    rows = "".join(
        f"<li>{html.escape(what)}: <code>{html.escape(command)}</code></li>" for what, command in missing.items()
    )
    return (
        f"<details><summary>Not run: {len(missing)}, and the commands that run them</summary><ul>{rows}</ul></details>"
    )


def _chart(chart: Chart, specification: Mapping[str, Any], table: str) -> str:
    scales = "".join(
        f'<option value="{kind}"{" selected" if (kind == "log") == chart.log else ""}>{kind}</option>'
        for kind in ("log", "linear")
    )
    title = {key: value for key, value in specification.items() if key != "title"}
    return (
        f'<section class="chart-section" id="{chart.name}"><h2>{html.escape(chart.title)}</h2>'
        f"<p>{html.escape(chart.caption)} Drag to move, shift and wheel to zoom, hover for values.</p>"
        f'<div class="controls"><label>vertical axis <select class="scale">{scales}</select></label></div>'
        f'<div class="chart" role="group" aria-label="{html.escape(chart.title)}"></div>'
        f'<p><a class="table" download="{chart.name}.csv" href="#{chart.name}">{chart.name}.csv</a></p>'
        f'<script type="application/json" class="specification">{_safe(json.dumps(title))}</script>'
        f'<script type="text/csv" class="table">{_safe(table)}</script></section>'
    )


def _foot(foot: Mapping[str, str]) -> str:
    parts = "".join(
        f"<details><summary>{html.escape(name)}</summary><pre>{html.escape(text)}</pre></details>"
        for name, text in foot.items()
    )
    return f"<footer><h2>Computed with</h2>{parts}</footer>"


def _safe(text: str) -> str:
    """A text inside a script element must not end it."""
    return text.replace("</script", "<\\/script").replace("<!--", "<\\!--")
