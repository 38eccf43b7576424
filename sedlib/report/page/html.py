"""reports/index.html: one file with its scripts, data and charts inside, which asks no network for anything.

Words on it may come from outside: names, results, params.yaml. None of them can become markup or code. Jinja escapes
whatever the template prints, but what this module passes as ``Markup``: its own style and scripts, and JSON without
HTML's characters. The page's policy lets no script run but its own two, known by their hashes, without ``eval``.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import vl_convert
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from sedlib.base.strict_json import json_text
from sedlib.report.claims.claim import WEAKEST
from sedlib.report.claims.verdicts import MEANINGS
from sedlib.report.drawn.charts import Chart
from sedlib.report.numbers.digits import NOTHING
from sedlib.report.page.outgoing import columns_of

HERE = Path(__file__).parent
TEMPLATE = "page.html.j2"
CHARTS_GLOBAL = "window.vegaEmbed = vegaEmbed;"
"""What the page's own script calls of the bundled libraries."""
NOT_IN_SCRIPTS = {ord(mark): f"\\u{ord(mark):04x}" for mark in "<>&\u2028\u2029"}
"""Characters of HTML and line ends of JavaScript, as JSON and JavaScript write them in a string."""


def page(
    claims: pd.DataFrame,
    rules: pd.DataFrame,
    tables: Mapping[str, pd.DataFrame],
    charts: Sequence[tuple[Chart, dict[str, Any]]],
    data: Mapping[str, pd.DataFrame],
    missing: Mapping[str, str],
    foot: Mapping[str, str],
) -> str:
    """The page; ``data`` holds the charts' tables, ``foot`` what the results were computed with."""
    style = _code((HERE / "page.css").read_text())
    scripts = [_code(vl_convert.javascript_bundle(CHARTS_GLOBAL)), _code((HERE / "page.js").read_text())]
    return (
        environment()
        .get_template(TEMPLATE)
        .render(
            policy=policy([style], scripts),
            style=style,
            scripts=scripts,
            claims=claims,
            rules=rules,
            tables=tables,
            charts=[_drawn(chart, specification, data[chart.name]) for chart, specification in charts],
            missing=missing,
            foot=foot,
            meanings=MEANINGS,
            weakest=WEAKEST,
        )
    )


def environment() -> Environment:
    """Jinja as it escapes every value that a template prints."""
    return Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def policy(styles: Iterable[str], scripts: Iterable[str]) -> str:
    """The page's Content-Security-Policy: these styles and scripts and no others, no ``eval``, and no network."""
    allowed = {
        "default-src": "'none'",
        "script-src": " ".join(map(_hash, scripts)),
        "style-src": " ".join(map(_hash, styles)),
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{what} {sources}" for what, sources in allowed.items())


def json_in_html(value: Any) -> Markup:
    """``value`` as JSON that no HTML parser takes for anything but text."""
    return Markup(json_text(value).translate(NOT_IN_SCRIPTS))


def _drawn(chart: Chart, specification: Mapping[str, Any], table: pd.DataFrame) -> dict[str, Any]:
    untitled = {key: value for key, value in specification.items() if key != "title"}
    return {"about": chart, "drawn": json_in_html({"specification": untitled, "table": columns_of(table)})}


def _shown(value: Any) -> Any:
    return NOTHING if pd.api.types.is_scalar(value) and pd.isna(value) else value


def _code(text: str) -> Markup:
    """A file of this folder or a bundled library, which must not end the element that it stands in."""
    return Markup(text.replace("</script", "<\\/script").replace("<!--", "<\\!--"))


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
