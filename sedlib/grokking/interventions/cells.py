"""A cell of the intervention tables: which run, what is done to its steps, under which variation."""

from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field, model_validator

from sedlib.grokking.setup.experiment import Experiment
from sedlib.pipeline.parameters.sections import PARAMS_FILE, Section, validated

Condition = Literal[
    "control",
    "kick",
    "remove-sed",
    "remove-sed-raw",
    "keep-sed",
    "keep-sed-raw",
    "remove-random",
    "keep-random",
    "keep-fixed-random",
    "keep-execution",
    "freeze",
]
Projection = Literal["update", "gradient"]
UNPROJECTED: tuple[Condition, ...] = ("control", "kick")
INTERVENTIONS = [
    *UNPROJECTED,
    *(f"{how}-{what}" for how in get_args(Projection) for what in get_args(Condition) if what not in UNPROJECTED),
]
KEEPING = tuple(condition for condition in get_args(Condition) if condition.startswith("keep-"))
OPTION_BELONGS_TO: dict[str, tuple[Condition, ...]] = {
    "coordinates": ("keep-random",),
    "rank": tuple(condition for condition in get_args(Condition) if "-sed" in condition or "random" in condition),
    "strength": KEEPING,
    "size": ("kick",),
    "target": tuple(condition for condition in get_args(Condition) if condition not in UNPROJECTED),
    "start": tuple(condition for condition in get_args(Condition) if condition != "control"),
}
"""The conditions under which a variation means something; weight decay varies under every one."""


class Cell(Section):
    """One training run under one intervention."""

    run: str
    condition: Condition
    projection: Projection | None
    """What is projected: AdamW's update, or the clipped gradient before it. None where nothing is."""
    coordinates: int | None = Field(None, ge=0, description="a fresh random subset of them in place of a subspace")
    rank: int | None = Field(None, ge=1, description="dimension of the subspace, in place of interventions.rank")
    target: Literal["attention", "all"] | None = Field(
        None, description="parameters whose steps are projected, in place of interventions.target"
    )
    start: int | None = Field(None, ge=0, description="natural steps at first, in place of interventions.window")
    strength: float | None = Field(None, gt=0, le=1, description="share taken from the part outside the subspace")
    size: float | None = Field(None, gt=0, description="length of a kick, in gradient steps")
    weight_decay: float | None = Field(None, ge=0, description="in place of the run's")

    @model_validator(mode="after")
    def _options_where_they_belong(self) -> "Cell":
        for option, conditions in OPTION_BELONGS_TO.items():
            if getattr(self, option) is not None and self.condition not in conditions:
                raise ValueError(
                    f"--{option} belongs to {', '.join(conditions)}, not to {self.condition}; leave it out"
                )
        if self.condition == "kick" and self.size is None:
            raise ValueError("a kick needs its --size, in gradient steps")
        if self.coordinates is not None and self.rank is not None:
            raise ValueError("--coordinates takes the place of a subspace, which --rank is of; leave one out")
        return self

    @classmethod
    def of(cls, run: str, intervention: str, **options: Any) -> "Cell":
        """The cell of the values on a command line; ``intervention`` is one of ``INTERVENTIONS``.

        Raises
        ------
        ParamsError
            They do not fit one another.
        """
        projection: str | None
        projection, _, condition = intervention.partition("-")
        if intervention in UNPROJECTED:
            projection, condition = None, intervention
        values = {"run": run, "condition": condition, "projection": projection, **options}
        return validated(cls, values, Path("stages/intervene.py"))

    @property
    def needs_execution_basis(self) -> bool:
        """Whether it needs the finished run's checkpoints."""
        return self.condition in ("keep-execution", "kick")

    @property
    def name(self) -> str:
        """Name of the cell's file."""
        options = {
            "": self.target,
            "rank": self.rank,
            "from": self.start,
            "strength": self.strength,
            "size": self.size,
            "wd": self.weight_decay,
        }
        what = self.condition if self.coordinates is None else f"coordinates-{self.coordinates}"
        given = {key: value for key, value in options.items() if value is not None}
        varied = [key + (value if isinstance(value, str) else f"{value:g}") for key, value in given.items()]
        return "-".join(part for part in (self.run, self.projection, what, *varied) if part)

    def experiment(self, path: Path = PARAMS_FILE) -> Experiment:
        """The run's parameters with the cell's weight decay.

        Raises
        ------
        ParamsError
            The run or one of its sections is missing or wrong.
        """
        experiment = Experiment.load(self.run, path)
        if self.weight_decay is None:
            return experiment
        optimizer = experiment.optimizer.model_copy(update={"weight_decay": self.weight_decay})
        return experiment.model_copy(update={"optimizer": optimizer})
