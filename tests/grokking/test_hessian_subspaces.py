"""Top curvature directions: products against the dense matrices, and a tiny run that is kept in or out of them."""

from collections.abc import Callable

import pandas as pd
import pytest
import torch
from torch import Tensor

from sedlib.grokking.interventions.cells import Cell
from sedlib.grokking.interventions.hessian_subspaces import (
    EVERY,
    KINDS,
    CurvatureCondition,
    CurvatureSubspace,
    Kind,
    gauss_newton_product,
    hessian_product,
    projecting_curvature,
)
from sedlib.grokking.interventions.intervened import trajectory
from sedlib.grokking.network.evaluation import Data
from sedlib.grokking.network.losses import pair_losses
from sedlib.grokking.network.model import build_model
from sedlib.grokking.setup.projection_params import ProjectionParams
from sedlib.terms.condition import Verb
from sedlib.vectors import ParamLayout
from tests.grokking.test_training import CPU, experiment

SETTINGS = ProjectionParams(window=4, rank=2)


def small() -> tuple[Callable[[Tensor], Tensor], Tensor, Tensor]:
    """Logits of one task on six pairs, of seven parameters, and answers."""
    random = torch.Generator().manual_seed(0)
    inputs = torch.randn(6, 7, generator=random, dtype=torch.float64)
    mix = torch.randn(7, 4, generator=random, dtype=torch.float64)
    answers = torch.randint(4, (1, 6), generator=random)
    theta = torch.randn(7, generator=random, dtype=torch.float64)
    return lambda at: (torch.tanh(inputs * at) @ mix)[None], answers, theta


def test_products_are_those_of_the_dense_matrices() -> None:
    logits_at, answers, theta = small()
    hessian = torch.func.hessian(lambda at: pair_losses(logits_at(at), answers).mean())(theta)
    jacobian = torch.func.jacrev(lambda at: logits_at(at)[0])(theta)  # [pairs, logits, params]
    shares = torch.softmax(logits_at(theta)[0], -1)
    inner = torch.diag_embed(shares) - shares[:, :, None] * shares[:, None, :]
    gauss_newton = torch.einsum("nip,nij,njq->pq", jacobian, inner, jacobian) / 6
    for make, expected in ((hessian_product, hessian), (gauss_newton_product, gauss_newton)):
        found = torch.stack([make(logits_at, answers, theta)(row) for row in torch.eye(7, dtype=torch.float64)])
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


def test_both_are_one_where_logits_are_linear() -> None:
    random = torch.Generator().manual_seed(1)
    mix = torch.randn(5, 24, generator=random, dtype=torch.float64)
    answers, theta = torch.randint(4, (1, 6), generator=random), torch.randn(5, generator=random, dtype=torch.float64)
    vector = torch.randn(5, generator=random, dtype=torch.float64)
    products = [
        make(lambda at: (at @ mix).view(1, 6, 4), answers, theta) for make in (hessian_product, gauss_newton_product)
    ]
    torch.testing.assert_close(products[0](vector), products[1](vector))


@pytest.mark.parametrize("kind", KINDS)
def test_the_basis_is_orthonormal_and_stays_for_as_many_steps(kind: str) -> None:
    run = experiment()
    data, model = Data.of(run, CPU), build_model(run)
    target = ParamLayout.attention(model)
    subspace = CurvatureSubspace(kind, 2, model, data, target, 16, seed=0)
    first = subspace.next_projector()
    basis = subspace.state_dict()["basis"]
    torch.testing.assert_close(basis @ basis.T, torch.eye(len(basis)), atol=1e-5, rtol=0)
    vector = torch.randn(target.size)
    torch.testing.assert_close(first(vector), basis.T @ (basis @ vector))
    for _ in range(EVERY - 1):
        subspace.next_projector()
        assert subspace.state_dict()["basis"] is basis
    subspace.next_projector()
    assert subspace.state_dict()["basis"] is not basis


def test_a_subspace_goes_on_from_its_state() -> None:
    run = experiment()
    data, model = Data.of(run, CPU), build_model(run)
    first, second = (
        CurvatureSubspace("gauss-newton", 2, model, data, ParamLayout.attention(model), 16, seed=seed)
        for seed in (0, 1)
    )
    first.next_projector()
    second.load_state_dict(first.state_dict())
    for _ in range(EVERY):
        first.next_projector()
        second.next_projector()
    torch.testing.assert_close(first.state_dict()["basis"], second.state_dict()["basis"])


@pytest.mark.parametrize(("verb", "kind"), [("keep", "hessian"), ("remove", "gauss-newton")])
def test_a_run_is_kept_in_or_out_of_the_top_eigenspace(verb: Verb, kind: Kind) -> None:
    cell = Cell(run="add-1", condition=CurvatureCondition(verb, kind), projection="gradient")
    assert cell.name == f"add-1-gradient-{verb}-{kind}"
    rows = pd.DataFrame(trajectory(cell, experiment(), CPU, projecting_curvature(cell, SETTINGS, experiment())))
    passed = rows.loc[rows["step"] > 10, "passed"]
    assert rows["step"].max() == 40
    assert ((passed > 0) & (passed < 1)).all()
