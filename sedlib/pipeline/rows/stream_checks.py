"""What the parts of a gradients file say of one another: where one is of another run, the file contradicts itself.

Shapes: rows and slots are ``[params]``.
"""

from itertools import pairwise

import h5py
import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from sedlib.base.errors import UserError
from sedlib.base.long_rows.matrix_rows import Rows
from sedlib.pipeline.parameters.row_params import GradientBatchParams
from sedlib.pipeline.rows.fixed_choices import fixed_batch, measured_checkpoints
from sedlib.pipeline.rows.row_dtypes import RowDtype
from sedlib.pipeline.study import Study
from sedlib.vectors import ParamLayout

ROUNDING: dict[RowDtype, float] = {"float32": 1e-5, "float16": 5e-3, "bfloat16": 5e-2}
"""How far updates may be off the motion between two networks, as a share of their norms: tens of times the rounding."""
BLOCK_ELEMENTS = 2**22
"""Of updates that are added together."""


def selection_problem(file: h5py.File, study: Study, settings: GradientBatchParams) -> str | None:
    """Where the checkpoints that were measured, or the batch, are other ones than the dump stage chooses."""
    n_steps, measured = len(file["steps"]), file["measured"][:].tolist()
    if measured != measured_checkpoints(n_steps, max(2, len(measured))):
        return f"'measured' of {measured}, not evenly spaced from the first checkpoint to the last, {n_steps - 1}"
    try:
        batch = fixed_batch(study, settings)
    except UserError as error:
        return f"settings of which no batch can be drawn ({error})"
    same = np.array_equal(batch.inputs.numpy(), file["batch"][:])
    return None if same else f"another batch than its settings, {settings.model_dump_json()}, give"


def motion_problem(file: h5py.File, updates: Rows, layout: ParamLayout, dtype: RowDtype) -> str | None:
    """Where the updates do not lead from one measured network to the next."""
    measured = file["measured"][:].tolist()
    slots = [_slots(file, layout, position) for position in range(len(measured))]
    for position, (start, stop) in enumerate(pairwise(measured)):
        moved, length = _sum(updates, start, stop)
        difference = float((slots[position + 1] - slots[position] - moved).norm())
        if not difference <= ROUNDING[dtype] * length:
            return (
                f"updates that do not lead from the network at checkpoint {start} to that at {stop}: they are "
                f"{difference:.1e} off, of {length:.1e}"
            )
    return None


def _slots(file: h5py.File, layout: ParamLayout, position: int) -> Float64[Tensor, " params"]:
    states = {name: torch.from_numpy(file[f"state/{name}"][position]) for name in layout.names}
    return layout.flatten(states).double()


def _sum(updates: Rows, start: int, stop: int) -> tuple[Float64[Tensor, " params"], float]:
    """Sum of the updates that lead from one checkpoint to another, and that of their norms."""
    total, length = torch.zeros(updates.shape[1], dtype=torch.float64), 0.0
    height = max(1, BLOCK_ELEMENTS // updates.shape[1])
    for first in range(start, stop, height):
        block = torch.from_numpy(updates[slice(first, min(first + height, stop)), slice(None)])
        total += block.sum(0, dtype=torch.float64)
        length += float(torch.linalg.vector_norm(block, dim=1, dtype=torch.float64).sum())
    return total, length
