"""A study's reports/index.html: one file with its figures inside, without a script, asking no network for anything."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from jinja2 import FileSystemLoader

from sedlib.report.of_studies.study_figures import CAPTIONS
from sedlib.report.page.html import HERE, environment, policy

TEMPLATE = "study.html.j2"


def study_page(
    experiments: Sequence[str],
    answers: pd.DataFrame,
    questions: pd.DataFrame,
    rules: pd.DataFrame,
    figures: Mapping[str, bytes],
    missing: Mapping[str, str],
    foot: Mapping[str, str],
) -> str:
    """The page.

    Parameters
    ----------
    answers
        What ``questions`` say, with tasks side by side.
    figures
        SVG files, by name.
    foot
        What the results were computed with.
    """
    style = (HERE / "page.css").read_text(encoding="utf-8")
    jinja = environment()
    jinja.loader = FileSystemLoader(Path(__file__).parent)
    return jinja.get_template(TEMPLATE).render(
        policy=policy([style], []),
        style=jinja.filters["safe"](style),
        experiments=experiments,
        answers=answers,
        questions=questions,
        rules=rules,
        figures={name: f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}" for name, svg in figures.items()},
        captions={name: CAPTIONS[name.rpartition("-")[2]] for name in figures},
        missing=missing,
        foot=foot,
    )
