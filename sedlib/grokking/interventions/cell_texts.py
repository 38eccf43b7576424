"""All that the trajectory of a cell depends on, as texts: a snapshot or a table of other texts is not used for it."""

from sedlib.base.described.description import Origin
from sedlib.base.strict_json import json_text
from sedlib.grokking.interventions.cells import Cell
from sedlib.grokking.setup.experiment import Experiment
from sedlib.grokking.setup.fingerprint import current_run_text
from sedlib.grokking.setup.projection_params import ProjectionParams


def parameters_of(cell: Cell, experiment: Experiment, settings: ProjectionParams) -> dict[str, str]:
    """The texts by names for a message; the finished run, which some cells need, is not among them."""
    return {
        "run": current_run_text(experiment),
        "cell": f"{cell.model_dump_json()} {cell.condition}",  # a condition's name says less than its parts
        "interventions": settings.model_dump_json(),
    }


def origin_of(cell: Cell, experiment: Experiment, settings: ProjectionParams) -> Origin:
    """What the cell's table says that it was computed of; the cell itself is in the name."""
    shared = settings.model_dump(include=set(ProjectionParams.model_fields))  # of the whole section, what cells share
    return Origin(cell.name, json_text({**experiment.model_dump(), "interventions": shared}))
