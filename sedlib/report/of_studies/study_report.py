"""The files of a study's report: questions with verdicts, tables, figures, metrics.json and the page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from sedlib.base.atomic import replacing
from sedlib.base.strict_json import json_text
from sedlib.report.drawn.panels import save
from sedlib.report.numbers.digits import rounded
from sedlib.report.of_studies.answers import Answer, rules
from sedlib.report.of_studies.condensed import condensed
from sedlib.report.of_studies.questions import QUESTIONS, answers
from sedlib.report.of_studies.study_figures import study_figures
from sedlib.report.of_studies.study_page import study_page
from sedlib.report.of_studies.study_results import Experiment
from sedlib.report.page.outgoing import as_csv, as_markdown

DIGITS = 4


def write_study_report(
    found: Sequence[Experiment], missing: Mapping[str, str], foot: Mapping[str, str], folder: Path
) -> None:
    """Write everything under ``folder``; figures and tables of an earlier report that has more are removed."""
    answered = answers(found)
    questions, decided = pd.DataFrame([answer.row() for answer in answered]), pd.DataFrame(rules(QUESTIONS))
    figures = study_figures(list(found))
    save(figures, folder / "figures")
    drawn = {name: (folder / f"figures/{name}.svg").read_bytes() for name in figures}
    names = [experiment.name for experiment in found]
    tables = {"questions": questions, "rules": decided, "coupling": _ratios(found)}
    files = {
        "questions.md": as_markdown(condensed(answered)),
        "metrics.json": json_text(_metrics(answered), indent=2) + "\n",
        "index.html": study_page(names, condensed(answered), questions, decided, drawn, missing, foot),
        **{f"tables/{name}.csv": as_csv(name, table) for name, table in tables.items()},
    }
    for name, text in files.items():
        with replacing(folder / name) as path:
            path.write_text(text, encoding="utf-8")
    _remove_others(folder, {*files, *(f"figures/{name}.svg" for name in figures)})


def _remove_others(folder: Path, written: set[str]) -> None:
    for owned in ("tables", "figures"):
        for old in (folder / owned).glob("*"):
            if old.relative_to(folder).as_posix() not in written:
                old.unlink()


def _ratios(found: Sequence[Experiment]) -> pd.DataFrame:
    """R̄ of each run, task, stream and window, at the checkpoints that medians are taken over."""
    runs = [run for experiment in found for run in experiment.runs]
    table = pd.concat([run.curves.assign(run=run.name) for run in runs])
    return table.assign(ratio=[rounded(ratio, DIGITS) for ratio in table["ratio"]])


def _metrics(answered: Sequence[Answer]) -> dict[str, Any]:
    """By question, experiment and task what `dvc exp show` compares: the means."""
    numbers: dict[str, Any] = {}
    for answer in answered:
        if answer.estimate:
            of = numbers.setdefault(answer.question.name, {}).setdefault(answer.experiment, {})
            of[answer.about.replace(", ", "_")] = rounded(answer.estimate.mean, DIGITS)
    return numbers
