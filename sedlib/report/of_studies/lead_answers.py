"""The companion's lead rule: whether the commutator defect, or the spectral gap, announces that a task generalises."""

from collections.abc import Iterator

from sedlib.leads import ACCURACY
from sedlib.report.of_studies.answers import FEW, NO, NOT_RUN, OPEN, YES, Answer, Question, beyond
from sedlib.report.of_studies.study_results import Experiment

LEAD = Question(
    "lead",
    f"Does an onset precede {ACCURACY:.0%} held-out accuracy?",
    "steps between",
    f"yes if every seed has an onset and the lead's interval lies above 0, no if below, or if a seed has none. {FEW}",
    "yes",
)
ALARM = Question(
    "false-alarm",
    "Is there an onset where nothing generalises?",
    "seeds with an onset",
    f"yes if most seeds of an experiment whose tasks never reach {ACCURACY:.0%} have one, no if none has",
    "2 of 4 for the defect, 4 of 4 for the gap",
)
LEAD_QUESTIONS = (LEAD, ALARM)
KINDS = ("commutator defect", "spectral gap")


def lead_answers(experiment: Experiment) -> Iterator[Answer]:
    """Leads of each task that generalises; alarms of an experiment of which none does. Without accuracies, neither."""
    measured = [run for run in experiment.runs if run.measures_accuracy and run.onsets()]
    if not measured:
        return
    for kind in KINDS:
        onsets = [run.onsets()[kind] for run in measured]
        if all(map(experiment.never_generalises, experiment.tasks)):
            began = sum(onset is not None for onset in onsets)
            said = YES if began > len(onsets) / 2 else NO if began == 0 else OPEN
            yield Answer(ALARM, experiment.name, kind, (), said, note=f" {began} of {len(onsets)}")
            continue
        for task in experiment.tasks:
            pairs = [(run.generalised(task), onset) for run, onset in zip(measured, onsets, strict=True)]
            reached = [(step, onset) for step, onset in pairs if step is not None]
            leads = [float(step - onset) for step, onset in reached if onset is not None]
            silent = len(reached) - len(leads)
            said = NOT_RUN if not reached else NO if silent else beyond(leads, 0)
            note = f"; {silent} of {len(reached)} without an onset" if silent else ""
            yield Answer(LEAD, experiment.name, f"{task}, {kind}", leads, said, note)
