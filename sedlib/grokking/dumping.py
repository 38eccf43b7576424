"""Rows computed from a run's checkpoints: gradients on one fixed batch, and updates between checkpoints.

Shapes: rows are ``[params]``, the attention slots.
"""

from pathlib import Path

import torch

from sedlib.gradients import task_gradients
from sedlib.grokking.checkpoints import RunCheckpoints
from sedlib.grokking.params import GradientBatchParams
from sedlib.grokking.streams import GRADIENTS
from sedlib.grokking.tasks import all_pairs, answers, draw
from sedlib.grokking.training import task_losses
from sedlib.progress import track
from sedlib.randomness import generator
from sedlib.store import append, growing, provenance


def write_streams(path: Path, checkpoints: RunCheckpoints, settings: GradientBatchParams) -> None:
    r"""Write the rows of every stream.

    - ``gradient/<op>``: :math:`g_t^{(o)} = \nabla_\theta L_o(\theta_t; B)` on the fixed batch B;
    - ``gradient/total``: their sum, where the run has several operations;
    - ``update``: :math:`\delta_t = \theta_t - \theta_{t-1}`, from the second checkpoint on.
    """
    experiment, layout = checkpoints.experiment, checkpoints.layout
    ops, p = experiment.run.ops, experiment.data.p
    available = all_pairs(ops, p) if settings.pairs == "all" else checkpoints.pairs(settings.pairs)
    batch = draw(available, settings.size, generator(settings.seed, "gradient batch"))
    device = checkpoints.model.token.device
    pairs, targets = batch.to(device), answers(ops, batch, p).to(device)

    for parameter in layout.of(checkpoints.model).values():
        parameter.requires_grad_(True)
    with GRADIENTS.create(path, provenance(checkpoints.file, settings.model_dump_json())) as file:
        file["steps"] = checkpoints.file["steps"][:]
        file["batch"] = batch.numpy()
        streams = {op: growing(file, f"gradient/{op}", (layout.size,)) for op in ops}
        total = growing(file, "gradient/total", (layout.size,)) if len(ops) > 1 else None
        update = growing(file, "update", (layout.size,))
        before = None
        for index, _ in enumerate(track(checkpoints.steps, len(checkpoints.steps), "dump", "step {:,}".format)):
            model = checkpoints.load(index)
            losses = dict(zip(ops, task_losses(model, pairs, targets), strict=True))
            rows = task_gradients(losses, model, layout)
            for op, row in rows.items():
                append(streams[op], row.cpu().numpy())
            if total is not None:
                append(total, torch.stack(list(rows.values())).sum(0).cpu().numpy())
            theta = layout.flatten(model.state_dict())
            if before is not None:
                append(update, (theta - before).cpu().numpy())
            before = theta
