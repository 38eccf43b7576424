"""A cell of the intervention tables: which run, which part of its steps, under which variation."""

from pathlib import Path
from typing import Literal, get_args

from pydantic import Field, model_validator

from sedlib.grokking.experiment import Experiment
from sedlib.grokking.schema import PARAMS_FILE, Section, validated

Condition = Literal[
    "control",
    "remove-sed",
    "remove-sed-raw",
    "keep-sed",
    "keep-sed-raw",
    "remove-random",
    "keep-random",
    "freeze",
]
Projection = Literal["update", "gradient"]
INTERVENTIONS = [
    "control",
    *(f"{how}-{what}" for how in get_args(Projection) for what in get_args(Condition) if what != "control"),
]


class Cell(Section):
    """One training run under one intervention."""

    run: str
    condition: Condition
    projection: Projection | None
    """What is projected: AdamW's update, or the clipped gradient before it. None for the control."""
    coordinates: int | None = Field(None, ge=0)
    """keep-random only: a fresh random subset of that many coordinates in place of a subspace."""
    weight_decay: float | None = Field(None, ge=0)
    """In place of the run's."""

    @model_validator(mode="after")
    def _coordinates_where_they_belong(self) -> "Cell":
        if self.coordinates is not None and self.condition != "keep-random":
            raise ValueError(f"--coordinates belongs to keep-random, not to {self.condition}; leave it out")
        return self

    @classmethod
    def of(cls, run: str, intervention: str, coordinates: int | None, weight_decay: float | None) -> "Cell":
        """The cell of the values on a command line; ``intervention`` is one of ``INTERVENTIONS``.

        Raises
        ------
        ParamsError
            They do not fit one another.
        """
        projection: str | None
        projection, _, condition = intervention.partition("-")
        if intervention == "control":
            projection, condition = None, "control"
        values = {
            "run": run,
            "condition": condition,
            "projection": projection,
            "coordinates": coordinates,
            "weight_decay": weight_decay,
        }
        return validated(cls, values, Path("stages/intervene.py"))

    @property
    def name(self) -> str:
        """Name of the cell's file."""
        parts = [self.run, self.projection, self.condition]
        if self.coordinates is not None:
            parts[-1] = f"coordinates-{self.coordinates}"
        if self.weight_decay is not None:
            parts.append(f"wd{self.weight_decay:g}")
        return "-".join(part for part in parts if part)

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
