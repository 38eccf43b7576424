"""The section ``interventions`` of params.yaml: what all cells share, and which cells there are."""

from collections.abc import Callable, Collection
from typing import Annotated

from pydantic import AfterValidator, Field

from sedlib.grokking.setup.projection_params import ProjectionParams
from sedlib.pipeline.parameters.limits import PARAMETERS, RUNS, VALUES
from sedlib.terms.condition import NEED_FINISHED_RUN, Condition, Projection
from sedlib.terms.conditions import CONDITIONS, INTERVENTIONS

NEEDS_FINISHED_RUN = "needs the checkpoints of the finished run, so that only sweeps ask for it (stages/constrain.py)"


def _refusal(condition: Condition) -> str | None:
    """Why a condition cannot be crossed with the projections; None where it can."""
    if condition in NEED_FINISHED_RUN:
        return NEEDS_FINISHED_RUN
    return None if condition.is_projected else "projects nothing; every run has it once without being listed"


def _cell_refusal(intervention: str) -> str | None:
    return NEEDS_FINISHED_RUN if INTERVENTIONS[intervention].condition in NEED_FINISHED_RUN else None


def _listed(
    kind: str, known: Collection[str], refusal: Callable[[str], str | None]
) -> Callable[[list[str]], list[str]]:
    """Checks that each name is known, not refused, and given once."""

    def check(names: list[str]) -> list[str]:
        allowed = ", ".join(name for name in known if refusal(name) is None)
        for name in names:
            if name not in known:
                raise ValueError(f"unknown {kind} {name!r}; choose from {allowed}")
            if reason := refusal(name):
                raise ValueError(f"{name} {reason}; choose from {allowed}")
            if names.count(name) > 1:
                raise ValueError(f"{name} is repeated; name each {kind} once")
        return names

    return check


class InterventionParams(ProjectionParams):
    """Interventions on training."""

    runs: list[str] = Field(
        [],
        max_length=RUNS.most,
        description="Runs that are trained as the control, and under every condition with every projection.",
    )
    conditions: Annotated[
        list[str], AfterValidator(_listed("condition", CONDITIONS, lambda name: _refusal(CONDITIONS[name])))
    ] = Field(
        [], max_length=VALUES.most, description="What is done to each step of these runs; the names: docs/method.md."
    )
    projections: list[Projection] = Field([], max_length=VALUES.most, description="What of a step is projected.")
    varied_runs: list[str] = Field(
        [],
        max_length=RUNS.most,
        description="Runs that are trained without weight decay, and with ever more coordinates kept.",
    )
    without_weight_decay: Annotated[
        list[str], AfterValidator(_listed("intervention", INTERVENTIONS, _cell_refusal))
    ] = Field(
        [],
        max_length=VALUES.most,
        description="Interventions on the varied runs without weight decay: control, or PROJECTION-CONDITION.",
    )
    coordinates: list[Annotated[int, Field(ge=0, le=PARAMETERS.most), PARAMETERS]] = Field(
        [], max_length=VALUES.most, description="Numbers of coordinates that keep-random keeps, for the varied runs."
    )
