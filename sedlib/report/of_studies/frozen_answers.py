"""The question whether freezing the slots accelerates learning, or stops it."""

from collections.abc import Iterator

import pandas as pd

from sedlib.report.of_studies.answers import FACTOR, FEW, Answer, Question, below, beyond
from sedlib.report.of_studies.study_results import Experiment, StudyRun

STOPS = Question(
    "freeze-stops",
    "Does freezing the slots stop learning?",
    "share of the fall in held-out loss that is left",
    f"yes if the interval over seeds of that share lies below {1 / FACTOR:g}, no if above. {FEW}",
    "no",
)
FASTER = Question(
    "freeze-accelerates",
    "Does freezing the slots accelerate learning?",
    "steps to half of the fall, natural / frozen",
    f"yes if the interval over seeds lies above 1, no if below; a seed that never comes so far counts as 0. {FEW}",
    "yes",
)
FROZEN_QUESTIONS = (STOPS, FASTER)


def frozen_answers(experiment: Experiment) -> Iterator[Answer]:
    """Both questions for each task, of the seeds that were trained frozen too."""
    both = [run for run in experiment.runs if run.frozen is not None]
    for task in experiment.tasks if both else ():
        shares = [_share(run, task) for run in both]
        yield Answer(STOPS, experiment.name, task, shares, below(shares, 1 / FACTOR))
        speeds = [_speedup(run, task) for run in both]
        yield Answer(FASTER, experiment.name, task, speeds, beyond(speeds, 1))


def _losses(table: pd.DataFrame, task: str) -> pd.Series:
    own = table[table["op"] == task]
    return own.set_index("step")["test_loss"]


def _share(run: StudyRun, task: str) -> float:
    natural, frozen = _losses(run.results.training, task), _losses(_frozen(run), task)
    start = natural.iloc[0]
    return float((start - frozen.min()) / (start - natural.min()))


def _speedup(run: StudyRun, task: str) -> float:
    natural, frozen = _losses(run.results.training, task), _losses(_frozen(run), task)
    half = (natural.iloc[0] + natural.min()) / 2
    reached = frozen[frozen <= half].index
    return float(natural[natural <= half].index[0] / reached[0]) if len(reached) else 0.0


def _frozen(run: StudyRun) -> pd.DataFrame:
    assert run.frozen is not None
    return run.frozen
