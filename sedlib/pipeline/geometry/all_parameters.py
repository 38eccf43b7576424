"""A run's trajectory: all its parameters at every checkpoint.

Shapes: positions are ``[steps, params]``, over *all* parameters of the network.
"""

from collections.abc import Mapping
from typing import Any, cast

from sedlib.pipeline.parameters.geometry_params import FEWEST
from sedlib.pipeline.parameters.sections import ParamsError
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.positions import Positions
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
    return Positions(states, ParamLayout.select(checkpoints.network, "*"))
