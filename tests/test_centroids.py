import numpy as np
import pytest
import torch
from torch import nn

from sedlib.centroids import centroids, compare, principal_components, read_out
from sedlib.scores import full_scores, logit_scores
from sedlib.selftest.oracles import looped_centroids, principal_cosines


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_centroids_equal_one_backward_pass_per_task_and_probe() -> None:
    torch.manual_seed(0)
    trunk, heads = nn.Linear(6, 8).double(), [nn.Linear(8, 5).double() for _ in range(3)]
    inputs = random(7, 2, 3)

    def scores(h: torch.Tensor) -> torch.Tensor:
        z = torch.tanh(trunk(h.flatten(1)))
        return full_scores(torch.stack([head(z).square() for head in heads]))

    found = centroids(scores, inputs)
    assert found.shape == (3, 7, 6)
    torch.testing.assert_close(found, looped_centroids(scores, inputs), rtol=1e-12, atol=1e-14)


def test_centroids_of_a_linear_network_are_its_rows() -> None:
    weight = random(2, 4, 3)  # tasks, classes, inputs
    inputs, targets = random(5, 3), torch.tensor([[0, 1, 2, 3, 0], [3, 3, 1, 0, 2]])

    def logits(h: torch.Tensor) -> torch.Tensor:
        return torch.einsum("oci,pi->opc", weight, h)

    of_logit = centroids(lambda h: logit_scores(logits(h), targets), inputs)
    of_all = centroids(lambda h: full_scores(logits(h)), inputs)
    for task in range(2):
        torch.testing.assert_close(of_logit[task], weight[task][targets[task]])
        torch.testing.assert_close(of_all[task], weight[task].sum(0).expand(5, 3))


def test_scores_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"scores: expected \[tasks, 5 probes\], .* shape \(5,\)"):
        centroids(lambda h: h.sum(-1), random(5, 3))


@pytest.mark.parametrize("rank", [1, 4, 9])
def test_rank90_of_a_flat_spectrum(rank: int) -> None:
    rows = torch.zeros(2 * rank, 30, dtype=torch.float64)
    for axis in range(rank):  # orthogonal, centred, of equal length
        rows[2 * axis, axis], rows[2 * axis + 1, axis] = 1, -1
    found = read_out(rows, random(2 * rank, 30))
    assert found.rank90 == int(np.ceil(0.9 * rank - 1e-9))
    assert found.pc1_share == pytest.approx(1 / rank)


def test_readouts_by_their_definitions() -> None:
    rows, inputs = random(50, 12) @ random(12, 12, seed=1), random(50, 12, seed=2)
    found = read_out(rows, inputs)
    spectrum = np.linalg.svd((rows - rows.mean(0)).numpy(), compute_uv=False) ** 2
    share = np.cumsum(spectrum) / spectrum.sum()
    assert share[found.rank90 - 1] >= 0.9 > share[found.rank90 - 2]
    assert found.pc1_share == pytest.approx(share[0])
    cosines = [(c @ h / c.norm() / h.norm()).item() for c, h in zip(rows, inputs, strict=True)]
    assert found.alignment == pytest.approx(np.mean(cosines))


def test_comparison_by_its_definition() -> None:
    first, second = random(30, 8) * torch.arange(8, 0, -1), random(30, 8, seed=1) * torch.arange(8, 0, -1)
    found = compare(first, second)

    def axes(x: torch.Tensor, count: int) -> np.ndarray:
        return np.linalg.svd((x - x.mean(0)).numpy())[2][:count]

    assert found.top1_cosine == pytest.approx(abs(axes(first, 1)[0] @ axes(second, 1)[0]))
    assert found.top3_cosine == pytest.approx(principal_cosines(axes(first, 3), axes(second, 3)).mean())
    assert found.row_cosine == pytest.approx(
        np.mean([(a @ b / a.norm() / b.norm()).item() for a, b in zip(first, second, strict=True)])
    )


def test_centroids_agree_with_themselves() -> None:
    found = compare(random(30, 8), -2 * random(30, 8))
    assert found.row_cosine == pytest.approx(-1)
    assert found.top1_cosine == pytest.approx(1)
    assert found.top3_cosine == pytest.approx(1)


def test_principal_components_are_projections_on_the_principal_directions() -> None:
    values = torch.randn(30, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 5
    centred = (values - values.mean(0)).numpy()
    _, _, right = np.linalg.svd(centred, full_matrices=False)
    expected = centred @ right[:3].T
    found = principal_components(values, 3).numpy()
    np.testing.assert_allclose(found * np.sign((found * expected).sum(0)), expected, atol=1e-10)
