"""Principal components of a run's trajectory, matrix by matrix, beside random walks."""

from typing import Any

import torch

from sedlib.base.errors import located
from sedlib.base.progress import track
from sedlib.base.randomness import generator
from sedlib.pipeline.geometry.all_parameters import positions_of
from sedlib.pipeline.parameters.geometry_params import WalkParams
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.products import gram
from sedlib.trajectory import FEWEST_STEPS, Displacements, expanding_pc1_percent, random_walk_null, z_score


def measure_trajectory(
    checkpoints: RunCheckpoints, walks: WalkParams
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of two tidy tables, for each matrix of the slots.

    The first has PC1 % of the whole trajectory, and how far it is above that of random walks with the same step
    lengths. The second has PC1 % of the trajectory up to each checkpoint, from the third on.

    Raises
    ------
    ParamsError
        The run has too few checkpoints.
    UserError
        A matrix does not move, or has no spread to compare it with; the message names it.
    """
    positions, matrices = positions_of(checkpoints), checkpoints.study.matrices(checkpoints.network)
    whole, windows = [], []
    for matrix, block in track(matrices.items(), len(matrices), "trajectory", lambda item: item[0]):
        with located(f"{checkpoints.file.filename}: {matrix}"):
            rows = Displacements(positions, block)
            products = gram(rows, checkpoints.device).cpu()
            percent = expanding_pc1_percent(products)
            random = generator(walks.seed, f"random walks/{matrix}")
            null = random_walk_null(products, rows.shape[1], walks.count, random)
            whole.append({"matrix": matrix, **_against(float(percent[-1]), null)})
        ends = checkpoints.steps[FEWEST_STEPS - 1 :]
        windows += [
            {"step": step, "matrix": matrix, "pc1_percent": value}
            for step, value in zip(ends, percent.tolist(), strict=True)
        ]
    return whole, windows


def _against(percent: float, null: torch.Tensor) -> dict[str, float]:
    return {
        "pc1_percent": percent,
        "walk_mean": float(null.mean()),
        "walk_std": float(null.std()),
        "z": z_score(percent, null),
    }
