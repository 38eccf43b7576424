"""Small gradients that a folder keeps in 16 bits give the bases and the gaps of those in 32, to their rounding."""

from pathlib import Path

import pytest
import torch

from sedlib.bases import directions, rolling_bases
from sedlib.own.row_folder import RowFolder
from sedlib.own.step_file import DTYPES
from sedlib.products import gram_band
from sedlib.readings import spectral_gaps
from sedlib.vectors import ParamLayout

SIZE, WINDOW, RANK = 20_000, 5, 3


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_bases_and_gaps_of_small_rows_are_right_to_their_rounding(dtype: str, tmp_path: Path) -> None:
    random = torch.Generator().manual_seed(0)
    shapes = torch.tensor([8.0, 4.0, 2.0, 0.5, 0.2])
    rows = 1e-9 * torch.randn(WINDOW, WINDOW, generator=random) * shapes @ torch.randn(WINDOW, SIZE, generator=random)
    folder = RowFolder(tmp_path, ParamLayout(("weight",), ((SIZE,),)), dtype)
    for step, row in enumerate(rows):
        folder.append(step, {"gradient/a": row})
    kept = folder.stream("gradient/a")
    exact = rolling_bases(gram_band(rows, WINDOW), WINDOW, RANK)
    found = rolling_bases(gram_band(kept, WINDOW), WINDOW, RANK, DTYPES[dtype])
    ratio, true = spectral_gaps(found.singular_values).ratio23, spectral_gaps(exact.singular_values).ratio23
    rounding = torch.finfo(DTYPES[dtype]).eps
    assert float(ratio) == pytest.approx(float(true), rel=0.1 * rounding)
    span = directions(rows, exact, 0)
    ours = directions(kept, found, 0)
    sines = (ours - ours @ span.T @ span).norm(dim=1)
    assert (sines < found.error_bound[0]).all()
    assert float(sines.max()) > rounding / 10
