"""The files of a study's report: questions with verdicts, tables, figures, metrics.json and the page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from sedlib.base.atomic import replacing
from sedlib.base.strict_json import json_text
from sedlib.report.drawn.charts import charts_of
from sedlib.report.drawn.panels import save
from sedlib.report.metrics.tidy import tidy
from sedlib.report.numbers.collection import Collection, Expected
from sedlib.report.numbers.digits import rounded
from sedlib.report.of_studies.answers import Answer, rules
from sedlib.report.of_studies.questions import QUESTIONS, answers
from sedlib.report.of_studies.study_figures import study_figures
from sedlib.report.of_studies.study_results import Experiment
from sedlib.report.page.html import page
from sedlib.report.page.outgoing import as_csv, as_markdown, without_formulas

DIGITS = 4


def write_study_report(
    found: Sequence[Experiment],
    grok_threshold: float,
    missing: Mapping[str, str],
    foot: Mapping[str, str],
    folder: Path,
) -> None:
    """Write everything under ``folder``; figures and tables of an earlier report that has more are removed."""
    answered = answers(found)
    questions, decided = pd.DataFrame([answer.row() for answer in answered]), pd.DataFrame(rules(QUESTIONS))
    data = {name: without_formulas(table) for name, table in tidy(_collected(found, grok_threshold)).items()}
    tables = {"questions": questions, "rules": decided}
    files = {
        "questions.md": as_markdown(questions),
        "metrics.json": json_text(_metrics(answered), indent=2) + "\n",
        "index.html": page(questions, decided, {}, charts_of(data), data, missing, foot),
        **{f"tables/{name}.csv": as_csv(name, table) for name, table in (tables | data).items()},
    }
    for name, text in files.items():
        with replacing(folder / name) as path:
            path.write_text(text)
    figures = study_figures(list(found))
    save(figures, folder / "figures")
    _remove_others(folder, {*files, *(f"figures/{name}.svg" for name in figures)})


def _remove_others(folder: Path, written: set[str]) -> None:
    for owned in ("tables", "figures"):
        for old in (folder / owned).glob("*"):
            if old.relative_to(folder).as_posix() not in written:
                old.unlink()


def _collected(found: Sequence[Experiment], grok_threshold: float) -> Collection:
    """The runs as the paper's charts take them."""
    runs = {run.name: run.results for experiment in found for run in experiment.runs}
    expected = Expected(list(runs), [], [], {}, grok_threshold)
    return Collection(expected, runs, {}, {}, {}, {}, None, None, {})


def _metrics(answered: Sequence[Answer]) -> dict[str, Any]:
    """By question, experiment and task what `dvc exp show` compares: the means."""
    numbers: dict[str, Any] = {}
    for answer in answered:
        if answer.estimate:
            of = numbers.setdefault(answer.question.name, {}).setdefault(answer.experiment, {})
            of[answer.about.replace(", ", "_")] = rounded(answer.estimate.mean, DIGITS)
    return numbers
