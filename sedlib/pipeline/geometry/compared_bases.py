"""The bases in which a commutator's share is measured, each beside random subspaces of its dimension.

The companion paper's text and its scripts name one thing and compute another; both have a name here.
"""

from collections.abc import Iterator

from jaxtyping import Float
from torch import Tensor

from sedlib.base.randomness import generator
from sedlib.curvature import execution_basis
from sedlib.pipeline.parameters.geometry_params import CurvatureParams
from sedlib.pipeline.parameters.sections import ParamsError
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.positions import Positions
from sedlib.projection import random_basis
from sedlib.terms.tables.curvature_table import SINGULAR_DIRECTIONS, TRAJECTORY_BASIS, WEIGHTS_BASIS
from sedlib.weight_directions import UndeterminedError, singular_basis

Basis = Float[Tensor, "directions params"]


class ComparedBases:
    """The execution basis of a whole run, and the singular directions of its matrices at each checkpoint.

    Memory: the execution basis, and random subspaces of the dimension of each of the two.

    Raises
    ------
    ParamsError
        The run has too little variety for the components.
    """

    def __init__(self, checkpoints: RunCheckpoints, positions: Positions, settings: CurvatureParams) -> None:
        self._device, self._layout = checkpoints.device, positions.layout
        self._matrices = checkpoints.study.matrices(checkpoints.network)
        self._execution = self._execution_basis(checkpoints, positions, settings.components)
        self._others = self._random(len(self._execution), settings, "random subspaces")
        rank = SINGULAR_DIRECTIONS * len(self._matrices)
        self._others_of_weights = self._random(rank, settings, "random subspaces of the weights")

    def at(self, theta: Float[Tensor, " params"]) -> Iterator[tuple[str, Basis | None, list[Basis]]]:
        """Each basis at a checkpoint, by name, with its random subspaces.

        The weights' is None where a matrix has too low a rank, as a matrix of zeros has.
        """
        yield TRAJECTORY_BASIS, self._execution, self._others
        yield WEIGHTS_BASIS, self._weights(theta), self._others_of_weights

    def _weights(self, theta: Float[Tensor, " params"]) -> Basis | None:
        try:
            return singular_basis(theta, self._layout, self._matrices, SINGULAR_DIRECTIONS)
        except UndeterminedError:
            return None

    def _execution_basis(self, checkpoints: RunCheckpoints, positions: Positions, components: int) -> Basis:
        try:
            return execution_basis(positions, self._matrices, components).to(self._device)
        except ValueError as error:
            raise ParamsError(
                f"{checkpoints.file.filename}: {error} (geometry.curvature.components = {components})"
            ) from error

    def _random(self, rank: int, settings: CurvatureParams, name: str) -> list[Basis]:
        """Bases of random subspaces, the same at every measurement."""
        random = generator(settings.seed, name)
        return [
            random_basis(rank, self._layout.size, random).to(self._device) for _ in range(settings.random_subspaces)
        ]
