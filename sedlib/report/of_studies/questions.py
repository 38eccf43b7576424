"""What the papers leave open, asked of any study: whether it is so outside modular arithmetic."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from sedlib.report.of_studies.answers import FACTOR, FEW, Answer, Question, below, beyond
from sedlib.report.of_studies.frozen_answers import FROZEN_QUESTIONS, frozen_answers
from sedlib.report.of_studies.lead_answers import LEAD_QUESTIONS, lead_answers
from sedlib.report.of_studies.study_results import Experiment, Stream
from sedlib.terms.stream_names import TOTAL_GRADIENT, UPDATE, gradient_of, ladder_stream

MEDIAN = "medians of R̄ over the measured checkpoints at which windows are whole"
GRADIENT = Question(
    "gradient",
    "Does a task's gradient couple more than the update?",
    "gradient / update",
    f"yes if the interval over seeds of the ratio ({MEDIAN}) lies above {FACTOR:g}, no if below. {FEW}",
    "yes",
)
SUM = Question(
    "sum",
    "Is the sum of gradients an obstruction?",
    "sum / own gradient",
    f"yes if the ratio's interval ({MEDIAN}) lies below {1 / FACTOR:g}, no if above. {FEW}",
    "no",
)
WINDOW = Question(
    "window",
    "Is the window needed?",
    "window / one row",
    f"yes if a window of the own gradient has more than {FACTOR:g} times the ratio of one row, no if less. {FEW}",
    "no",
)
RUNG = Question(
    "ladder",
    "Does this rung lose the coupling?",
    "rung / rung above",
    f"yes if the interval of what is left of the rung above ({MEDIAN}) lies below {1 / FACTOR:g}, no if above. {FEW}",
    "adam-direction and update",
)
QUESTIONS = (GRADIENT, SUM, WINDOW, RUNG, *FROZEN_QUESTIONS, *LEAD_QUESTIONS)
RUNGS = ("minibatch-gradient", "momentum", "adam-direction", "step-without-decay", "step")
"""Between the gradient that training follows and the update."""
OWN = 0
"""The run's own window."""


def answers(found: Sequence[Experiment]) -> list[Answer]:
    """Every question that the results can answer, of every experiment and task."""
    return [answer for ask in ASKED for experiment in found for answer in ask(experiment)]


def rungs_of(experiment: Experiment, task: str) -> list[str]:
    """The streams from the gradient that training follows down to the update, as far as the study has them."""
    there = set(experiment.runs[0].results.coupling["stream"])
    first = TOTAL_GRADIENT if TOTAL_GRADIENT in there else gradient_of(task)
    return [first, *(rung for rung in map(ladder_stream, RUNGS) if rung in there), UPDATE]


def _compared(experiment: Experiment, task: str, above: Stream, under: Stream) -> list[float]:
    """Ratio of one stream over that of another, for each seed that has both; window 0 stands for the run's own."""
    found = []
    for run in experiment.runs:
        first, second = (run.ratio(task, stream, window or run.window) for stream, window in (above, under))
        if first is not None and second:
            found.append(first / second)
    return found


def _gradient(experiment: Experiment) -> Iterator[Answer]:
    for task in experiment.tasks:
        values = _compared(experiment, task, (gradient_of(task), OWN), (UPDATE, OWN))
        yield Answer(GRADIENT, experiment.name, task, values, beyond(values, FACTOR))


def _sum(experiment: Experiment) -> Iterator[Answer]:
    for task in experiment.tasks if len(experiment.tasks) > 1 else ():
        values = _compared(experiment, task, (TOTAL_GRADIENT, OWN), (gradient_of(task), OWN))
        yield Answer(SUM, experiment.name, task, values, below(values, 1 / FACTOR))


def _window(experiment: Experiment) -> Iterator[Answer]:
    for task in experiment.tasks:
        values = _compared(experiment, task, (gradient_of(task), OWN), (gradient_of(task), 1))
        yield Answer(WINDOW, experiment.name, task, values, beyond(values, FACTOR))


def _ladder(experiment: Experiment) -> Iterator[Answer]:
    for task in experiment.tasks:
        streams = rungs_of(experiment, task)
        for above, under in pairwise(streams) if len(streams) > len(RUNGS) else ():
            values = _compared(experiment, task, (under, OWN), (above, OWN))
            about = f"{task}, {under.removeprefix('ladder/')}"
            yield Answer(RUNG, experiment.name, about, values, below(values, 1 / FACTOR))


ASKED = (_gradient, _sum, _window, _ladder, frozen_answers, lead_answers)
