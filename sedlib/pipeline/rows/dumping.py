"""Rows computed from a run's checkpoints: gradients on one fixed batch, updates between checkpoints, the ladder.

Shapes: rows are ``[params]``, the slots.
"""

from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from sedlib.adam import last_step, update_without_decay
from sedlib.base.errors import UserError, located
from sedlib.base.progress import track
from sedlib.gradients import task_gradients
from sedlib.pipeline.parameters.row_params import RowParams
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.pipeline.rows.fixed_choices import fixed_batch, measured_checkpoints
from sedlib.pipeline.rows.ladder import clipped_gradient
from sedlib.pipeline.rows.row_dtypes import append_row
from sedlib.pipeline.rows.streams import RowSettings, gradients_schema
from sedlib.pipeline.study import Examples, Ladder
from sedlib.terms.stream_names import TOTAL_GRADIENT, UPDATE, gradient_of, ladder_stream

Rows = dict[str, Float[Tensor, " params"]]
"""One row of each stream, by the stream's name."""


def write_streams(path: Path, checkpoints: RunCheckpoints, params: RowParams) -> None:
    r"""Write the rows of every stream, and the networks at the measured checkpoints.

    - ``gradient/<task>``: :math:`g_t^{(o)} = \nabla_\theta L_o(\theta_t; B)` on the fixed batch B;
    - ``gradient/total``: their sum, where there are several tasks;
    - ``update``: :math:`\delta_t = \theta_t - \theta_{t-1}`, from the second checkpoint on;
    - ``ladder/<rung>``: what lies between the two, see ``ladder.py``.

    Raises
    ------
    UserError
        A loss or a row is not finite, or a row is zero; the message names step and stream.
    """
    steps, dtype = checkpoints.steps, params.dump.dtype
    batch = fixed_batch(checkpoints.study, params.gradient_batch)
    measured = measured_checkpoints(len(steps), params.measured_checkpoints)
    settings = RowSettings(**params.gradient_batch.model_dump(), dtype=dtype)
    schema = gradients_schema(checkpoints.study, dtype)
    with schema.create(path, {"settings": settings.model_dump_json()}) as file:
        file["steps"] = checkpoints.file["steps"][:]
        file["batch"] = batch.inputs.numpy()
        file["measured"] = measured
        if "split/train" in checkpoints.file:
            file["split/train"] = checkpoints.file["split/train"][:]
        for name in checkpoints.network.state_dict():
            file[f"state/{name}"] = checkpoints.file["state"][name][measured]
        rows = zip(steps, gradients_on(checkpoints, batch), motions(checkpoints), strict=True)
        for step, gradients, moved in track(rows, len(steps), "dump", lambda rows: f"step {rows[0]:,}"):
            for name, row in {**gradients, **moved}.items():
                found = row.cpu().numpy()
                _require_direction(found, name, step)
                append_row(file, name, found, dtype)


def _require_direction(row: Float[np.ndarray, " params"], stream: str, step: int) -> None:
    largest = np.abs(row).max()
    if not 0 < largest < np.inf:
        raise UserError(
            f"step {step:,}, stream {stream}: expected a row that is finite and not zero, got one whose largest value "
            f"is {largest}; where the slots do not move choose a larger checkpoint_every, where a loss does not depend "
            "on them another gradient_batch"
        )


def gradients_on(checkpoints: RunCheckpoints, batch: Examples) -> Iterator[Rows]:
    """At each checkpoint, the gradient of each task's loss on ``batch``, and their total if there are several."""
    study, there = checkpoints.study, batch.to(checkpoints.device)

    def losses(network: nn.Module) -> dict[str, Tensor]:
        return dict(zip(study.tasks, study.losses(network, there), strict=True))

    for index in range(len(checkpoints.steps)):
        network = checkpoints.load(index)
        with located(f"step {checkpoints.steps[index]:,}"):
            found = task_gradients(losses, network, checkpoints.layout, check=index == 0)
        rows = {gradient_of(task): row for task, row in found.items()}
        if len(rows) > 1:
            rows[TOTAL_GRADIENT] = torch.stack(list(rows.values())).sum(0)
        yield rows


def motions(checkpoints: RunCheckpoints) -> Iterator[Rows]:
    """At each checkpoint the update and the ladder's rows, as far as the study has them; nothing led to the first."""
    ladder, layout = checkpoints.study.ladder(), checkpoints.layout
    before = None
    for index, rungs in enumerate(_rungs(checkpoints, ladder) if ladder else repeat({}, len(checkpoints.steps))):
        theta = layout.flatten(checkpoints.load(index).state_dict())
        rows: Rows = {}
        if before is not None:
            rows[UPDATE] = theta - before
            if ladder:
                n_steps = checkpoints.steps[index] - checkpoints.steps[index - 1]
                settings, moments = ladder.optimizer, checkpoints.moments(index)
                lr, decay = settings.lr, settings.weight_decay
                rungs |= last_step(
                    theta, moments, checkpoints.steps[index], lr=lr, betas=settings.betas, weight_decay=decay
                )
                rungs["update-without-decay"] = update_without_decay(theta, before, n_steps, lr=lr, weight_decay=decay)
        before = theta
        yield rows | {ladder_stream(rung): row for rung, row in rungs.items()}


def _rungs(checkpoints: RunCheckpoints, ladder: Ladder) -> Iterator[Rows]:
    """At each checkpoint the first rung, which the step that follows is made of."""
    for index, batch in enumerate(ladder.batches_after(checkpoints.steps)):
        network, there = checkpoints.load(index).requires_grad_(True), batch.to(checkpoints.device)
        clip_norm = ladder.optimizer.clip_norm
        yield {"minibatch-gradient": clipped_gradient(checkpoints.study, network, checkpoints.layout, there, clip_norm)}
        network.requires_grad_(False)
