"""All that the trajectory of a cell depends on, as texts: a snapshot of other texts is not used for it."""

from sedlib.grokking.interventions.cells import Cell
from sedlib.grokking.setup.experiment import Experiment
from sedlib.grokking.setup.fingerprint import current_run_text
from sedlib.grokking.setup.projection_params import ProjectionParams


def parameters_of(cell: Cell, experiment: Experiment, settings: ProjectionParams) -> dict[str, str]:
    """By names for a message; the finished run, which some cells need, has to be added."""
    return {
        "run": current_run_text(experiment),
        "cell": f"{cell.model_dump_json()} {cell.condition}",  # a condition's name says less than its parts
        "interventions": settings.model_dump_json(),
    }
