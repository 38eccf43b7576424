"""A cell of the intervention tables: which run, what is done to its steps, under which variation."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PlainSerializer, model_validator

from sedlib.base.errors import quoted
from sedlib.grokking.setup.experiment import Experiment
from sedlib.grokking.setup.projection_params import ProjectionParams, longer_than_runs
from sedlib.pipeline.parameters.limits import PARAMETERS, STEPS
from sedlib.pipeline.parameters.sections import PARAMS_FILE, ParamsError, Section, validated
from sedlib.pipeline.parameters.value_types import Scale, WeightDecay, Window
from sedlib.terms.condition import KICK, NEED_FINISHED_RUN, Condition, Projection
from sedlib.terms.conditions import CONDITIONS, INTERVENTIONS
from sedlib.terms.tables.cell_table import cell_name

TAKES: dict[str, Callable[[Condition], bool]] = {
    "coordinates": lambda condition: (condition.verb, condition.basis) == ("keep", "random"),
    "rank": lambda condition: condition.basis in ("sed", "random", "fixed-random"),
    "strength": lambda condition: condition.verb == "keep",
    "size": lambda condition: condition.verb == "kick",
    "target": lambda condition: condition.is_projected,
    "start": lambda condition: condition.verb != "control",
}
"""Under which conditions a variation means something; weight decay varies under every one."""


def script_of(condition: Condition) -> str:
    """The script that trains under a condition: those of the sweeps have their own, on which no other cell depends."""
    return "stages/constrain.py" if condition in NEED_FINISHED_RUN else "stages/intervene.py"


class Cell(Section):
    """One training run under one intervention."""

    run: str
    condition: Annotated[Condition, PlainSerializer(lambda condition: condition.name)]
    projection: Projection | None
    """What is projected: AdamW's update, or the clipped gradient before it. None where nothing is."""
    coordinates: Annotated[int, Field(ge=0, le=PARAMETERS.most), PARAMETERS] | None = Field(
        None, description="a fresh random subset of them in place of a subspace"
    )
    rank: Window | None = Field(None, description="dimension of the subspace, in place of interventions.rank")
    target: Literal["attention", "all"] | None = Field(
        None, description="parameters whose steps are projected, in place of interventions.target"
    )
    start: Annotated[int, Field(ge=0, le=STEPS.most), STEPS] | None = Field(
        None, description="natural steps at first, in place of interventions.window"
    )
    strength: float | None = Field(None, gt=0, le=1, description="share taken from the part outside the subspace")
    size: Scale | None = Field(None, description="length of a kick, in gradient steps")
    weight_decay: WeightDecay | None = Field(None, description="in place of the run's")

    @model_validator(mode="after")
    def _options_where_they_belong(self) -> "Cell":
        for option, takes in TAKES.items():
            if getattr(self, option) is not None and not takes(self.condition):
                taking = ", ".join(name for name, condition in CONDITIONS.items() if takes(condition))
                raise ValueError(f"--{option} belongs to {taking}, not to {self.condition.name}; leave it out")
        if self.condition == KICK and self.size is None:
            raise ValueError("a kick needs its --size, in gradient steps")
        if self.coordinates is not None and self.rank is not None:
            raise ValueError("--coordinates replaces the subspace whose dimension is --rank; leave one out")
        return self

    @classmethod
    def of(cls, run: str, intervention: str, **options: Any) -> "Cell":
        """The cell of the values on a command line; ``intervention`` is the name of one of ``INTERVENTIONS``.

        Raises
        ------
        ParamsError
            There is no such intervention, or the options do not fit it or one another.
        """
        if intervention not in INTERVENTIONS:
            raise ParamsError(f"unknown intervention {quoted(intervention)}; choose from {', '.join(INTERVENTIONS)}")
        found = INTERVENTIONS[intervention]
        values = {"run": run, "condition": found.condition, "projection": found.projection, **options}
        return validated(cls, values, Path(script_of(found.condition)))

    @property
    def name(self) -> str:
        """Name of the cell's file."""
        return cell_name(self.model_dump())

    def experiment(self, settings: ProjectionParams, path: Path = PARAMS_FILE) -> Experiment:
        """The run's parameters with the cell's weight decay, and the end that all cells share.

        Raises
        ------
        ParamsError
            The run or one of its sections is missing or wrong, or cells would be longer than their run.
        """
        found = Experiment.load(self.run, path).with_weight_decay(self.weight_decay)
        if (decayed := found.optimizer.lr * found.optimizer.weight_decay) >= 1:
            raise ParamsError(
                f"optimizer.lr × weight decay = {decayed:g} would erase the weights at every step; choose less"
            )
        return ending_as_cells(found, settings)


def ending_as_cells(experiment: Experiment, settings: ProjectionParams) -> Experiment:
    """The experiment, ended once what a cell records is settled.

    Raises
    ------
    ParamsError
        The run itself is over before.
    """
    if problem := longer_than_runs(settings, experiment.stopping):
        raise ParamsError(problem)
    stopping = experiment.stopping.model_copy(update={"checkpoints": settings.checkpoints})
    return experiment.model_copy(update={"stopping": stopping})
