"""Conditions of an intervention: what is done to each training step. Listed once, here; a name is never taken apart."""

from dataclasses import dataclass
from typing import Literal

Verb = Literal["control", "keep", "remove", "freeze", "kick"]
Basis = Literal["sed", "random", "fixed-random", "execution"]
History = Literal["applied", "raw"]
Projection = Literal["update", "gradient"]
PROJECTIONS: tuple[Projection, ...] = ("update", "gradient")


@dataclass(frozen=True)
class Condition:
    """What is done, with respect to which subspace, and for a SED basis from which rows that is taken."""

    verb: Verb
    basis: Basis | None = None
    history: History | None = None
    """Of a SED basis: rows as they were ``applied``, after projection, or ``raw``, before it."""

    @property
    def name(self) -> str:
        """As files, tables and commands have it; ``applied`` goes without saying, as in the released scripts."""
        return "-".join(part for part in (self.verb, self.basis, "raw" if self.history == "raw" else None) if part)

    @property
    def is_projected(self) -> bool:
        """Whether a part of the step is taken away: of the update, or of the gradient."""
        return self.verb in ("keep", "remove", "freeze")


CONTROL = Condition("control")
FREEZE = Condition("freeze")
KICK = Condition("kick")
KEEP_EXECUTION = Condition("keep", "execution")
CONDITIONS = {
    condition.name: condition
    for condition in (
        CONTROL,
        KICK,
        Condition("remove", "sed", "applied"),
        Condition("remove", "sed", "raw"),
        Condition("keep", "sed", "applied"),
        Condition("keep", "sed", "raw"),
        Condition("remove", "random"),
        Condition("keep", "random"),
        Condition("keep", "fixed-random"),
        KEEP_EXECUTION,
        FREEZE,
    )
}
NEED_FINISHED_RUN = (KICK, KEEP_EXECUTION)
"""These need the checkpoints of the finished run, for its execution basis; only sweeps ask for them."""


@dataclass(frozen=True)
class Intervention:
    """A condition, and what it projects: AdamW's update, or the clipped gradient before it; none where nothing is."""

    condition: Condition
    projection: Projection | None

    @property
    def name(self) -> str:
        """As commands have it, such as ``update-keep-sed`` or ``control``."""
        return "-".join(part for part in (self.projection, self.condition.name) if part)


INTERVENTIONS = {
    found.name: found
    for found in (
        *(Intervention(condition, None) for condition in CONDITIONS.values() if not condition.is_projected),
        *(
            Intervention(condition, projection)
            for projection in PROJECTIONS
            for condition in CONDITIONS.values()
            if condition.is_projected
        ),
    )
}
"""By name."""
