"""Routines whose memory is measured, each on vectors of N parameters: what makes its inputs gives the call."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator

from sedlib.base.randomness import generator
from sedlib.bases import directions, rolling_bases
from sedlib.coupling import central_difference, jvp
from sedlib.curvature import alignment, commutators, decompose, execution_basis
from sedlib.fisher import empirical_fisher, gradient_basis, lanczos
from sedlib.gradients import per_example_gradients
from sedlib.products import gram, gram_band
from sedlib.projection import (
    RollingHistory,
    onto_basis,
    onto_coordinates,
    orthonormal,
    overlap,
    principal_angles,
    random_basis,
    random_coordinates,
    removing,
)
from sedlib.sampling import random_directions

WINDOW, RANK, EXAMPLES = 5, 3, 4
LARGEST = {"lanczos": 10**7, "lanczos, 7 kept": 10**7}
"""Beyond which a routine takes more memory than a machine of 24 GiB has to spare."""
Made = Callable[[], object]
Make = Callable[[int, Path], Made]


def rows(count: int, size: int) -> torch.Tensor:
    """Independent normal rows."""
    return torch.randn(count, size, generator=generator(0, "memory"))


def stored(size: int, folder: Path) -> h5py.Dataset:
    """A stream of one row more than a window, in a file."""
    file = h5py.File(folder / f"{size}.h5", "w")
    found = file.create_dataset("rows", (WINDOW + 1, size), np.float32)
    for number in range(WINDOW + 1):
        for start in range(0, size, 2**22):
            width = min(2**22, size - start)
            found[number, start : start + width] = torch.randn(width, generator=generator(start, str(number))).numpy()
    return found


def centroids_at(theta: torch.Tensor) -> torch.Tensor:
    """Of a few parameters, so that the memory is that of vectors of all."""
    return theta[:1_000].square().view(1, 10, 100)


def gradient_at(theta: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """A gradient in the memory of one vector."""
    return scale * theta


def loss_at(theta: torch.Tensor, row: torch.Tensor) -> torch.Tensor:
    """Linear in θ."""
    return row @ theta


def unit(size: int) -> torch.Tensor:
    """A direction."""
    return random_directions(1, size, generator(0, "direction"))[0]


def of_directions(size: int, folder: Path) -> Made:
    """Directions of the second window of a stored stream."""
    found = stored(size, folder)
    bases = rolling_bases(gram_band(found, WINDOW), WINDOW, RANK)
    return lambda: directions(found, bases, 1)


def of_history(size: int, _: Path) -> RollingHistory:
    """A whole history."""
    found = RollingHistory(WINDOW, size)
    for number in range(WINDOW):
        found.append(torch.randn(size, generator=generator(number, "history")))
    return found


def basis_of_history(size: int, folder: Path) -> Made:
    """Top directions of a whole history."""
    history = of_history(size, folder)
    return lambda: history.basis(RANK)


def appended(size: int, folder: Path) -> Made:
    """One row more."""
    history, row = of_history(size, folder), rows(1, size)[0]
    return lambda: history.append(row)


def projected(size: int, project: Callable[[torch.Tensor], Callable[[torch.Tensor], torch.Tensor]]) -> Made:
    """A vector's part in or across a subspace."""
    projector, vector = project(random_basis(RANK, size, generator(0, "basis"))), unit(size)
    return lambda: projector(vector)


def of_two_bases(size: int, compare: Callable[[torch.Tensor, torch.Tensor], object]) -> Made:
    """Two bases compared."""
    first, second = (random_basis(RANK, size, generator(seed, "basis")) for seed in range(2))
    return lambda: compare(first, second)


def of_diagonal(size: int) -> LinearOperator:
    """An operator whose products cost nothing but their result."""
    values = np.linspace(1, 0, size) ** 64
    return LinearOperator((size, size), matvec=lambda vector: values * vector.reshape(-1), dtype=np.float64)


def iterated(size: int, kept: int | None) -> Made:
    """Lanczos iteration on that operator."""
    operator = of_diagonal(size)
    return lambda: lanczos(operator, RANK, generator(0, "lanczos"), 1e-3, kept=kept)


def with_rows(size: int, count: int, routine: Callable[[torch.Tensor], object]) -> Made:
    """A routine on rows in memory."""
    found = rows(count, size)
    return lambda: routine(found)


def with_stored(size: int, folder: Path, routine: Callable[[h5py.Dataset], object]) -> Made:
    """A routine on rows in a file."""
    found = stored(size, folder)
    return lambda: routine(found)


def responding(size: int, response: Callable[[torch.Tensor], Callable[[torch.Tensor], torch.Tensor]]) -> Made:
    """A response to one direction."""
    respond, direction = response(unit(size)), unit(size)
    return lambda: respond(direction)


def decomposed(size: int) -> Made:
    """Vectors taken apart by a basis."""
    basis, vectors = random_basis(RANK, size, generator(0, "basis")), rows(2, size)
    return lambda: decompose(vectors, basis)


def committed(size: int) -> Made:
    """The commutator of two batches."""
    theta, batches = rows(1, size)[0], [[torch.tensor(0.5)], [torch.tensor(2.0)]]
    return lambda: next(commutators(gradient_at, theta, batches, [(0, 1)], 1e-2))


def multiplied(size: int) -> Made:
    """A product with the Fisher matrix of losses that are linear in θ."""
    fisher = empirical_fisher(loss_at, torch.zeros(size), [rows(EXAMPLES, size)], block=1)
    vector = np.ones(size)
    return lambda: fisher @ vector


CASES: dict[str, Make] = {
    "gram": lambda n, at: with_stored(n, at, gram),
    "gram_band": lambda n, at: with_stored(n, at, lambda found: gram_band(found, WINDOW)),
    "directions": of_directions,
    "random_directions, one of 20": lambda n, _: lambda: random_directions(20, n, generator(0, "random"))[0],
    "central_difference": lambda n, _: responding(n, lambda theta: central_difference(centroids_at, theta, 0.05)),
    "jvp": lambda n, _: responding(n, lambda theta: jvp(centroids_at, theta)),
    "gradient_basis": lambda n, _: with_rows(n, EXAMPLES, lambda found: gradient_basis(found, RANK)),
    "per_example_gradients": lambda n, _: with_rows(
        n, EXAMPLES, lambda found: per_example_gradients(loss_at, torch.zeros(n), [found], block=1)
    ),
    "empirical_fisher, a product": lambda n, _: multiplied(n),
    "lanczos": lambda n, _: iterated(n, None),
    "lanczos, 7 kept": lambda n, _: iterated(n, 7),
    "orthonormal": lambda n, _: with_rows(n, RANK, orthonormal),
    "random_basis": lambda n, _: lambda: random_basis(RANK, n, generator(0, "random")),
    "random_coordinates": lambda n, _: lambda: random_coordinates(n // 2, n, generator(0, "random")),
    "onto_basis": lambda n, _: projected(n, onto_basis),
    "removing, onto_basis": lambda n, _: projected(n, lambda basis: removing(onto_basis(basis))),
    "onto_coordinates": lambda n, _: projected(n, lambda basis: onto_coordinates(basis[0] > 0)),
    "RollingHistory.append": appended,
    "RollingHistory.basis": basis_of_history,
    "overlap": lambda n, _: of_two_bases(n, overlap),
    "principal_angles": lambda n, _: of_two_bases(n, principal_angles),
    "execution_basis": lambda n, at: with_stored(
        n, at, lambda found: execution_basis(found, {"first": slice(0, n // 2), "second": slice(n // 2, n)}, 2)
    ),
    "decompose, 2 vectors": lambda n, _: decomposed(n),
    "alignment, 2 vectors": lambda n, _: with_rows(n, 3, lambda found: alignment(found[0], found[1:])),
    "commutators, 2 batches": lambda n, _: committed(n),
}
