"""What is done to each training step: a condition, and what it projects. The list of conditions is in conditions.py."""

from dataclasses import dataclass
from typing import Literal

Verb = Literal["control", "keep", "remove", "freeze", "kick"]
Basis = Literal["sed", "random", "fixed-random", "execution"]
History = Literal["applied", "raw"]
Projection = Literal["update", "gradient"]
PROJECTIONS: tuple[Projection, ...] = ("update", "gradient")


@dataclass(frozen=True)
class Condition:
    """What is done, with respect to which subspace, and from which rows a SED basis is taken."""

    verb: Verb
    basis: Basis | None = None
    history: History | None = None
    """Of a SED basis: rows as they were ``applied``, after projection, or ``raw``, before it."""

    @property
    def name(self) -> str:
        """The name in files, tables and commands; ``applied`` goes without saying, as in the released scripts."""
        return "-".join(part for part in (self.verb, self.basis, "raw" if self.history == "raw" else None) if part)

    @property
    def is_projected(self) -> bool:
        """Whether a part of the step is taken away: of the update, or of the gradient."""
        return self.verb in ("keep", "remove", "freeze")


@dataclass(frozen=True)
class Intervention:
    """A condition, and what it projects: AdamW's update, or the clipped gradient before it; none where nothing is."""

    condition: Condition
    projection: Projection | None

    @property
    def name(self) -> str:
        """The name in commands, such as ``update-keep-sed`` or ``control``."""
        return "-".join(part for part in (self.projection, self.condition.name) if part)


CONTROL = Condition("control")
FREEZE = Condition("freeze")
KICK = Condition("kick")
KEEP_EXECUTION = Condition("keep", "execution")
NEED_FINISHED_RUN = (KICK, KEEP_EXECUTION)
"""These need the checkpoints of the finished run, for its execution basis; only sweeps ask for them."""
