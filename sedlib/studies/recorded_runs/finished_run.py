"""Checkpoints that somebody's run left as files, taken in one by one."""

from collections.abc import Iterator

import torch

from sedlib.base.errors import UserError
from sedlib.saved.saved_checkpoints import Checkpoints
from sedlib.studies.definition.own_study import OwnStudy
from sedlib.studies.recorded_runs.pool_readouts import Pools
from sedlib.studies.recorded_runs.study_training import TrainedCheckpoint

FEWEST = 2
"""Checkpoints; an update lies between two."""


def finished_checkpoints(study: OwnStudy, device: torch.device) -> tuple[int, Iterator[TrainedCheckpoint]]:
    """How many there are, and each with its readouts, in the study's network.

    Raises
    ------
    UserError
        The run names none, or nothing is found where it says, or a file does not fit the network.
    """
    source = study.settings.checkpoints
    if source is None:
        raise UserError(f"params.yaml: runs.{study.run} has no key checkpoints; add a folder or glob of files")
    try:
        found = Checkpoints(source)
    except ValueError as error:
        raise UserError(f"params.yaml: runs.{study.run}.checkpoints = {source!r}: {error}") from error
    if len(found) < FEWEST:
        raise UserError(f"{source}: expected at least {FEWEST} checkpoints, got {len(found)}; save them more often")
    return len(found), _each(study, found, device)


def _each(study: OwnStudy, found: Checkpoints, device: torch.device) -> Iterator[TrainedCheckpoint]:
    network, pools = study.network().to(device), Pools.of(study, device)
    for saved in found:
        try:
            missing = network.load_state_dict(saved.state(network), strict=False).unexpected_keys
        except ValueError as error:
            raise UserError(f"step {saved.step:,}: {error}") from error
        if missing:
            raise UserError(f"{saved.place}: has {', '.join(missing[:3])}, which study.py's network does not have")
        yield TrainedCheckpoint(saved.step, network, {}, pools.rows(network, saved.step))
