"""Singular directions of weight matrices: a known answer, and an independent computation in float64."""

import numpy as np
import pytest
import torch
from torch import nn

from sedlib.base.randomness import generator
from sedlib.blocks import blocks
from sedlib.curvature import decompose, expected_random_share
from sedlib.projection import random_basis
from sedlib.vectors import ParamLayout
from sedlib.weight_directions import UndeterminedError, singular_basis


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 12), nn.Linear(12, 4))


def in_blocks(module: nn.Module) -> tuple[torch.Tensor, ParamLayout, dict[str, slice]]:
    layout = ParamLayout.select(module, "*")
    named = blocks(layout, ["0.weight", "1.weight"], {"0.weight": ("upper", "lower")})
    return layout.flatten(module.state_dict()).clone(), layout, named


def test_the_basis_is_orthonormal_and_each_block_has_its_own() -> None:
    theta, layout, named = in_blocks(network())
    basis = singular_basis(theta, layout, named)
    assert basis.shape == (9, layout.size)
    torch.testing.assert_close(basis @ basis.T, torch.eye(9))
    for index, block in enumerate(named.values()):
        outside = torch.ones(layout.size, dtype=torch.bool)
        outside[block] = False
        assert not basis[3 * index : 3 * index + 3, outside].any()


def test_a_vector_along_the_first_outer_product_lies_in_the_basis_and_one_along_the_last_does_not() -> None:
    theta, layout, named = in_blocks(network())
    left, _, right = torch.linalg.svd(theta[named["1.weight"]].reshape(4, 12), full_matrices=False)
    vectors = torch.zeros(2, layout.size)
    for row, number in enumerate((0, 3)):
        vectors[row, named["1.weight"]] = torch.outer(left[:, number], right[number]).flatten()
    parts = decompose(vectors, singular_basis(theta, layout, named))
    np.testing.assert_allclose(parts.share, [1, 0], atol=1e-6)


def test_a_random_vector_has_the_share_of_any_basis_of_that_rank() -> None:
    theta, layout, named = in_blocks(nn.Sequential(nn.Linear(30, 40), nn.Linear(40, 30)))
    vectors = random_basis(300, layout.size, generator(0, "vectors"))
    shares = decompose(vectors, singular_basis(theta, layout, named)).share
    assert float(shares.mean()) == pytest.approx(expected_random_share(9, layout.size), rel=0.05)


def test_a_matrix_of_low_rank_is_named() -> None:
    theta, layout, named = in_blocks(network())
    theta[named["1.weight"]][24:] = 0
    with pytest.raises(UndeterminedError, match=r"'1.weight' of shape \(4, 12\) determines 2 of 3 singular"):
        singular_basis(theta, layout, named)


def test_overlapping_matrices_and_parts_of_rows_are_refused() -> None:
    theta, layout, named = in_blocks(network())
    with pytest.raises(ValueError, match="'a' and 'b' overlap"):
        singular_basis(theta, layout, {"a": slice(0, 36), "b": slice(30, 72)})
    with pytest.raises(ValueError, match=r"'a': expected whole rows of 6 entries of '0.weight' in columns 0 to 72"):
        singular_basis(theta, layout, {"a": slice(3, 39)})
    with pytest.raises(ValueError, match="theta"):
        singular_basis(theta * float("nan"), layout, named)
