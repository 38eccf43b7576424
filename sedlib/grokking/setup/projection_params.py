"""What the projected steps of all intervention cells share: the part of ``interventions`` that their numbers depend on.

Apart from the lists of cells (intervention_params.py), so that a new cell or condition leaves the trained cells valid.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from sedlib.base.edited import watched
from sedlib.grokking.setup.experiment import StoppingParams
from sedlib.pipeline.parameters.limits import CHECKPOINTS, VALUES
from sedlib.pipeline.parameters.sections import PARAMS_FILE, Section, read_params, validated
from sedlib.pipeline.parameters.value_types import Window


class ProjectionParams(Section):
    """The subspaces of interventions, and the parameters whose steps are projected on them."""

    window: Window = Field(20, description="W: steps in the history of the SED basis, and natural steps at first.")
    rank: Window = Field(3, description="Dimension of the subspace kept or removed; at most window.")
    target: Annotated[list[str], Field(min_length=1, max_length=VALUES.most)] | Literal["attention"] = Field(
        "attention", description="Parameters whose steps are projected: attention, or a list of globs over names."
    )

    checkpoints: Annotated[int, CHECKPOINTS] = Field(
        5,
        gt=0,
        le=CHECKPOINTS.most,
        description="Number of checkpoints with accuracy stopping.accuracy after which a cell is over, at most "
        "stopping.checkpoints: a cell records its grok step, a run its weights after it.",
    )

    @model_validator(mode="after")
    def _rank_within_window(self) -> "ProjectionParams":
        if self.rank > self.window:
            raise ValueError(
                f"rank = {self.rank} exceeds window = {self.window}; "
                f"choose rank ≤ {self.window} or window ≥ {self.rank}"
            )
        return self

    @classmethod
    @watched
    def load(cls, path: Path = PARAMS_FILE) -> "ProjectionParams":
        """The keys of this class in the section ``interventions`` of ``path``; the lists of cells are not looked at.

        Raises
        ------
        ParamsError
            A value is refused.
        """
        section = read_params(path).get("interventions", {})
        if isinstance(section, dict):
            section = {key: value for key, value in section.items() if key in cls.model_fields}
        return validated(_File, {"interventions": section}, path).interventions


def longer_than_runs(settings: ProjectionParams, stopping: StoppingParams) -> str | None:
    """Why cells would go on where their run, which is the control, has ended; None where they do not."""
    if settings.checkpoints <= stopping.checkpoints:
        return None
    return (
        f"interventions.checkpoints = {settings.checkpoints} exceeds stopping.checkpoints = {stopping.checkpoints}, "
        f"at which runs end; choose ≤ {stopping.checkpoints}"
    )


class _File(Section):
    interventions: ProjectionParams
