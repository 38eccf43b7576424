"""A run's trajectory: all its parameters at every checkpoint, and the columns of each attention matrix.

Shapes: positions are ``[steps, params]``, over *all* parameters of the network.
"""

import re
from collections.abc import Mapping
from typing import Any, cast

from sedlib.pipeline.parameters.geometry_params import FEWEST
from sedlib.pipeline.parameters.sections import ParamsError
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.positions import Positions, blocks
from sedlib.vectors import ParamLayout


def positions_of(checkpoints: RunCheckpoints) -> Positions:
    """The rows of all parameters.

    Raises
    ------
    ParamsError
        The run has too few checkpoints for a trajectory.
    """
    count = len(checkpoints.steps)
    if count < FEWEST:
        raise ParamsError(
            f"{checkpoints.file.filename}: a trajectory needs at least {FEWEST} checkpoints, got {count}; "
            "choose a smaller checkpoint_every or a larger max_steps for this run"
        )
    states = cast("Mapping[str, Any]", checkpoints.file["state"])
    return Positions(states, ParamLayout.select(checkpoints.model, "*"))


def attention_matrices(checkpoints: RunCheckpoints) -> dict[str, slice]:
    """Columns of W_Q, W_K, W_V and W_O of each layer, by names such as ``layer 0 W_Q``."""
    layout = ParamLayout.select(checkpoints.model, "*")
    parts = {"*.in_proj_weight": ("W_Q", "W_K", "W_V")}
    return {_name(name): block for name, block in blocks(layout, checkpoints.layout.names, parts).items()}


def _name(parameter: str) -> str:
    """Of ``encoder.layers.0.self_attn.in_proj_weight.W_Q``, or of ``….out_proj.weight``."""
    (layer,) = re.findall(r"layers\.(\d+)\.", parameter)
    last = parameter.rpartition(".")[2]
    return f"layer {layer} {'W_O' if last == 'weight' else last}"
