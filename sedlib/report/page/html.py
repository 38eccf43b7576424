"""reports/index.html: one file with its scripts, data and charts inside, which asks no network for anything.

Words on it may come from outside: names, results, params.yaml. None of them can become markup or code. Jinja escapes
whatever the template prints, but what this module passes as ``Markup``: its own style and scripts, and JSON without
HTML's characters. The page's policy lets no script run but its own two, known by their hashes, without ``eval``.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import vl_convert
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from sedlib.base.strict_json import json_text
from sedlib.report.claims.claim import WEAKEST
from sedlib.report.claims.definitions import DEFINITIONS
from sedlib.report.claims.verdicts import MEANINGS
from sedlib.report.drawn.charts import Chart
from sedlib.report.drawn.forest import LEFT, WIDTH
from sedlib.report.drawn.specification import charts_of
from sedlib.report.judged.findings import findings
from sedlib.report.judged.listing import rules
from sedlib.report.metrics.reading import Numbers
from sedlib.report.numbers.digits import NOTHING
from sedlib.report.page.claim_view import claims_view
from sedlib.report.page.outgoing import compact
from sedlib.report.page.terms import TABLES, TERMS

HERE = Path(__file__).parent
TEMPLATE = "page.html.j2"
CHARTS_GLOBAL = "window.vegaEmbed = vegaEmbed;"
"""What the page's own script calls of the bundled libraries."""
NOT_IN_SCRIPTS = {ord(mark): f"\\u{ord(mark):04x}" for mark in "<>&\u2028\u2029"}
"""Characters of HTML and line ends of JavaScript, as JSON and JavaScript write them in a string."""


@dataclass(frozen=True)
class Content:
    """All that the page shows."""

    numbers: Numbers
    figures: Path
    """The folder of the claims' figures."""
    tables: Mapping[str, pd.DataFrame]
    data: Mapping[str, pd.DataFrame]
    """The charts' tables."""
    missing: Mapping[str, str]
    computed_with: Mapping[str, str]


def page(content: Content) -> str:
    """The page."""
    style = _code((HERE / "page.css").read_text())
    scripts = [_code(vl_convert.javascript_bundle(CHARTS_GLOBAL)), _code((HERE / "page.js").read_text())]
    charts = charts_of(dict(content.data))
    claims = claims_view(content.numbers, content.figures)
    return (
        environment()
        .get_template(TEMPLATE)
        .render(
            policy=policy([style], scripts),
            style=style,
            scripts=scripts,
            findings=findings(content.numbers),
            claims=claims,
            figures=json_in_html(claims.figures),
            rules=rules(),
            tables=content.tables,
            charts=[_drawn(chart, specification, content.data[chart.name]) for chart, specification in charts],
            missing=content.missing,
            foot=content.computed_with,
            meanings=MEANINGS,
            definitions=DEFINITIONS,
            weakest=WEAKEST,
            width=WIDTH,
            left=LEFT,
            terms=TERMS,
            captions=TABLES,
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
    return {"about": chart, "drawn": json_in_html({"specification": untitled, "table": compact(table)})}


def _shown(value: Any) -> Any:
    return NOTHING if pd.api.types.is_scalar(value) and pd.isna(value) else value


def _code(text: str) -> Markup:
    """A file of this folder or a bundled library, which must not end the element that it stands in."""
    return Markup(text.replace("</script", "<\\/script").replace("<!--", "<\\!--"))


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
