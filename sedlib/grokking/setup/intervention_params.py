"""The section ``interventions`` of params.yaml; apart from the cells, so that a new cell leaves analysis valid."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from sedlib.grokking.setup.experiment import Positive
from sedlib.pipeline.parameters.sections import PARAMS_FILE, Section, read_yaml, validated


class InterventionParams(Section):
    """Interventions on training."""

    window: Positive = Field(20, description="W: steps in the history of the SED basis, and natural steps at first.")
    rank: Positive = Field(3, description="Dimension of the subspace kept or removed; at most window.")
    target: Annotated[list[str], Field(min_length=1)] | Literal["attention"] = Field(
        "attention", description="Parameters whose steps are projected: attention, or a list of globs over names."
    )
    runs: list[str] = Field([], description="Runs that are trained under every condition and both projections.")
    varied_runs: list[str] = Field(
        [], description="Runs that are trained without weight decay, and with ever more coordinates kept."
    )
    coordinates: list[Annotated[int, Field(ge=0)]] = Field(
        [], description="Numbers of coordinates that keep-random keeps, for the varied runs."
    )

    @model_validator(mode="after")
    def _rank_within_window(self) -> "InterventionParams":
        if self.rank > self.window:
            raise ValueError(
                f"rank = {self.rank} exceeds window = {self.window}; "
                f"choose rank ≤ {self.window} or window ≥ {self.rank}"
            )
        return self

    @classmethod
    def load(cls, path: Path = PARAMS_FILE) -> "InterventionParams":
        """The section of ``path``.

        Raises
        ------
        ParamsError
            A value is refused.
        """
        section = {"interventions": read_yaml(path).get("interventions", {})}
        return validated(_File, section, path).interventions


class _File(Section):
    interventions: InterventionParams
