"""Rows computed from a run's checkpoints: gradients on one fixed batch, updates between checkpoints, the ladder.

Shapes: rows are ``[params]``, the attention slots.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from sedlib.base.progress import track
from sedlib.base.randomness import generator
from sedlib.base.store import provenance
from sedlib.gradients import task_gradients
from sedlib.grokking.network.losses import task_losses
from sedlib.grokking.setup.pairs import all_pairs, answers, draw
from sedlib.grokking.setup.params import GradientBatchParams
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.pipeline.rows.ladder import clipped_gradient, last_step, next_batches, update_without_decay
from sedlib.pipeline.rows.networks import measured_checkpoints
from sedlib.pipeline.rows.row_dtypes import RowDtype, append_row
from sedlib.pipeline.rows.streams import GRADIENTS, SCALED_GRADIENTS

Rows = dict[str, Float[Tensor, " params"]]
"""One row of each stream, by the stream's name."""


def write_streams(
    path: Path,
    checkpoints: RunCheckpoints,
    settings: GradientBatchParams,
    count: int | Literal["all"],
    dtype: RowDtype = "float32",
) -> None:
    r"""Write the rows of every stream in ``dtype``, and the networks at the ``count`` measured checkpoints.

    - ``gradient/<op>``: :math:`g_t^{(o)} = \nabla_\theta L_o(\theta_t; B)` on the fixed batch B;
    - ``gradient/total``: their sum, where the run has several operations;
    - ``update``: :math:`\delta_t = \theta_t - \theta_{t-1}`, from the second checkpoint on;
    - ``ladder/<rung>``: what lies between the two, see ``ladder.py``.
    """
    steps = checkpoints.steps
    batch = fixed_batch(checkpoints, settings)
    measured = measured_checkpoints(len(steps), count)
    schema = SCALED_GRADIENTS if dtype == "float16" else GRADIENTS
    described = json.dumps({**settings.model_dump(), "dtype": dtype})
    with schema.create(path, provenance(checkpoints.file, described)) as file:
        file["steps"] = checkpoints.file["steps"][:]
        file["batch"] = batch.numpy()
        file["measured"] = measured
        file["split/train"] = checkpoints.pairs("train").numpy()
        for name in checkpoints.model.state_dict():
            file[f"state/{name}"] = checkpoints.file["state"][name][measured]
        both = zip(steps, gradients_on(checkpoints, batch), motions(checkpoints), strict=True)
        for _, gradients, moved in track(both, len(steps), "dump", lambda rows: f"step {rows[0]:,}"):
            for name, row in {**gradients, **moved}.items():
                append_row(file, name, row.cpu().numpy(), dtype)


def fixed_batch(checkpoints: RunCheckpoints, settings: GradientBatchParams) -> Int64[Tensor, "batch 2"]:
    """The pairs B, drawn once for all checkpoints."""
    ops, p = checkpoints.experiment.run.ops, checkpoints.experiment.data.p
    available = all_pairs(ops, p) if settings.pairs == "all" else checkpoints.pairs(settings.pairs)
    return draw(available, settings.size, generator(settings.seed, "gradient batch"))


def gradients_on(checkpoints: RunCheckpoints, batch: Int64[Tensor, "batch 2"]) -> Iterator[Rows]:
    """At each checkpoint, the gradient of each operation's loss on ``batch``, and their total if there are several."""
    ops, p = checkpoints.experiment.run.ops, checkpoints.experiment.data.p
    device = checkpoints.model.token.device
    pairs, targets = batch.to(device), answers(ops, batch, p).to(device)
    for index in range(len(checkpoints.steps)):
        model = checkpoints.load(index).requires_grad_(True)
        losses = dict(zip(ops, task_losses(model, pairs, targets), strict=True))
        rows = {f"gradient/{op}": row for op, row in task_gradients(losses, model, checkpoints.layout).items()}
        if len(ops) > 1:
            rows["gradient/total"] = torch.stack(list(rows.values())).sum(0)
        model.requires_grad_(False)
        yield rows


def motions(checkpoints: RunCheckpoints) -> Iterator[Rows]:
    """At each checkpoint, the ladder's rows and the update; at the first, which nothing led to, the gradient alone."""
    experiment, layout, steps = checkpoints.experiment, checkpoints.layout, checkpoints.steps
    ops, p, settings = experiment.run.ops, experiment.data.p, experiment.optimizer
    device = checkpoints.model.token.device
    train_pairs = checkpoints.pairs("train")
    before = None
    for index, chosen in enumerate(next_batches(experiment, len(train_pairs), steps)):
        model = checkpoints.load(index).requires_grad_(True)
        pairs = train_pairs[chosen]
        targets = answers(ops, pairs, p).to(device)
        rungs = {"minibatch-gradient": clipped_gradient(model, layout, pairs.to(device), targets, settings.clip_norm)}
        model.requires_grad_(False)
        theta = layout.flatten(model.state_dict())
        rows: Rows = {}
        if before is not None:
            rows["update"] = theta - before
            moments = (checkpoints.file[f"optimizer/{name}"][index] for name in ("exp_avg", "exp_avg_sq"))
            exp_avg, exp_avg_sq = (torch.from_numpy(moment).to(device) for moment in moments)
            rungs |= last_step(theta, exp_avg, exp_avg_sq, steps[index], settings)
            n_steps = steps[index] - steps[index - 1]
            rungs["update-without-decay"] = update_without_decay(theta, before, n_steps, settings)
        before = theta
        yield rows | {f"ladder/{rung}": row for rung, row in rungs.items()}
