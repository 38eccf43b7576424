"""Subspaces on which training steps are projected: one for all steps, or a new one at each step.

Shapes: vectors are ``[target]``, the target parameters of an intervention.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from sedlib.grokking.interventions.cells import Cell
from sedlib.grokking.setup.projection_params import ProjectionParams
from sedlib.pipeline.parameters.sections import ParamsError
from sedlib.pipeline.resume.kept_states import State
from sedlib.projection import (
    Projector,
    RollingHistory,
    onto_basis,
    onto_coordinates,
    overlap,
    random_basis,
    random_coordinates,
)

SMALLEST_SHARE = 1e-3
"""Singular values of a history up to this share of the largest give no direction.

Where steps are kept in their own basis, a dimension that is left is left for good. Products in float32, which take a
step half the time, may turn directions of less than a hundredth by more than a basis elsewhere may be wrong by; the
basis that steps are kept in is then the turned one, and is a basis as any other.
"""


class Subspace:
    """Gives a projector for each step that is projected, and hears of every step.

    ``draw`` may always give the same projector, and changes nothing but the ``generator``.
    """

    def __init__(self, draw: Callable[[], Projector], generator: torch.Generator | None = None) -> None:
        self._draw, self._generator = draw, generator

    def next_projector(self) -> Projector:
        """The projector on the subspace of the next step."""
        return self._draw()

    def record(self, natural: Tensor, applied: Tensor) -> None:
        """A step was taken: the ``natural`` one, of which ``applied`` was let through."""

    def read_out(self) -> float | None:
        """Mean overlap of successive subspaces since the last call; None where it is not measured."""
        return None

    def state_dict(self) -> State:
        """All that the next projectors depend on and a new subspace does not have."""
        return {"generator": self._generator.get_state()} if self._generator else {}

    def load_state_dict(self, state: State) -> None:
        """Go on from a state."""
        if self._generator:
            self._generator.set_state(state["generator"])


class SedSubspace(Subspace):
    """Top singular vectors of the last W steps: as applied, or as they were before projection."""

    def __init__(self, history: RollingHistory, rank: int, *, is_raw: bool) -> None:
        super().__init__(self._next_basis)
        self._history, self._rank, self._is_raw = history, rank, is_raw
        self._basis: Tensor | None = None
        self._overlaps: list[float] = []

    def record(self, natural: Tensor, applied: Tensor) -> None:
        """Put the step into the history."""
        self._history.append(natural if self._is_raw else applied)

    def read_out(self) -> float | None:
        """Mean principal cosine between successive bases since the last call; None if there were no two."""
        overlaps, self._overlaps = self._overlaps, []
        return mean(overlaps)

    def state_dict(self) -> State:
        """The history, the last basis, and the overlaps that were not read out."""
        return {"history": self._history.state_dict(), "basis": self._basis, "overlaps": self._overlaps}

    def load_state_dict(self, state: State) -> None:
        """Go on from a state."""
        self._history.load_state_dict(state["history"])
        self._overlaps = list(state["overlaps"])
        self._basis = None if state["basis"] is None else state["basis"].to(self._history.device)

    def _next_basis(self) -> Projector:
        """The projector on the basis of the history; of fewer dimensions where steps kept in these span no more."""
        basis = self._history.basis(self._rank, allow_fewer=True, smallest_share=SMALLEST_SHARE)
        if not len(basis):
            raise ValueError("every step of the history is zero, so that they span no basis")
        if self._basis is not None:
            self._overlaps.append(float(overlap(self._basis, basis)))
        self._basis = basis
        return onto_basis(basis)


def subspace_of(
    cell: Cell, settings: ProjectionParams, size: int, generator: torch.Generator, device: torch.device
) -> Subspace:
    """The subspace that the cell's condition names, among ``size`` target parameters.

    Raises
    ------
    ParamsError
        The cell asks for more coordinates or dimensions than there are, or for a basis of steps that do not exist.
    ValueError
        The subspace is the finished run's: ``execution.py`` makes it.
    """
    if cell.coordinates is not None:
        return _fresh_coordinates(cell.coordinates, size, generator, device)
    rank = settings.rank if cell.rank is None else cell.rank
    if rank > size:
        raise ParamsError(f"interventions.rank = {rank} exceeds the {size:,} target parameters")

    def fresh() -> Projector:
        return onto_basis(random_basis(rank, size, generator).to(device))

    match cell.condition.basis:
        case None:  # freeze
            return always(torch.zeros_like)
        case "sed":
            history = RollingHistory(settings.window, size, device, products=torch.float32)
            return _sed(cell, settings, rank, history)
        case "random":
            return Subspace(fresh, generator)
        case "fixed-random":
            return always(fresh())
        case "execution":
            raise ValueError(f"{cell.condition.name} needs the execution basis of the finished run")


def always(projector: Projector) -> Subspace:
    """The same subspace at every step."""
    return Subspace(lambda: projector)


def mean(values: list[float]) -> float | None:
    """Mean of the values; None if there are none."""
    return sum(values) / len(values) if values else None


def _sed(cell: Cell, settings: ProjectionParams, rank: int, history: RollingHistory) -> Subspace:
    if rank > settings.window:
        raise ParamsError(f"--rank {rank} exceeds interventions.window = {settings.window}; choose less")
    if cell.start is not None and cell.start < settings.window:
        raise ParamsError(
            f"--start {cell.start} leaves a history shorter than interventions.window = {settings.window}; "
            "choose a later start"
        )
    return SedSubspace(history, rank, is_raw=cell.condition.history == "raw")


def _fresh_coordinates(count: int, size: int, generator: torch.Generator, device: torch.device) -> Subspace:
    if count > size:
        raise ParamsError(f"--coordinates {count:,} exceeds the {size:,} of the target; choose fewer")

    def fresh() -> Projector:
        return onto_coordinates(random_coordinates(count, size, generator).to(device))

    return Subspace(fresh, generator)
