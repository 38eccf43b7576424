"""Coupling of the basis of per-example gradients at some steps of a run, from its checkpoints alone."""

from collections.abc import Iterator, Sequence
from typing import Any

from sedlib.base.errors import located
from sedlib.base.progress import track
from sedlib.fisher import gradient_basis
from sedlib.gradients import per_example_gradients
from sedlib.pipeline.centroids.probing import probes_of, require_known
from sedlib.pipeline.coupling.along_run import ChosenCheckpoints
from sedlib.pipeline.coupling.checkpoint_responses import CheckpointResponses
from sedlib.pipeline.coupling.measurement import drawn_directions
from sedlib.pipeline.coupling.single_checkpoints import example_losses
from sedlib.pipeline.parameters.ablation_params import AnalysisParams
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.pipeline.rows.fixed_choices import fixed_batch


def measure_examples(
    checkpoints: RunCheckpoints, params: AnalysisParams, measured: Sequence[int]
) -> Iterator[dict[str, Any]]:
    """Rows for each task's basis of per-example gradients, at the checkpoints of the steps ``measured``.

    The basis is the top singular vectors of the fixed batch's centred gradients, as in ``single_checkpoints``.

    Raises
    ------
    UserError
        A number is not finite; the message names step and task.
    ParamsError
        The study has no centroid of that name, or responses are lost in rounding.
    """
    steps, study = checkpoints.steps, checkpoints.study
    require_known(study, params)
    networks = ChosenCheckpoints(checkpoints.stored, steps, [steps.index(step) for step in measured])
    probes = probes_of(study, params.probes, networks.device)
    random = drawn_directions(networks, params.random_directions)
    batch = fixed_batch(study, params.gradient_batch).to(networks.device)
    for index in track(networks.measured, len(measured), "examples", lambda index: f"step {steps[index]:,}"):
        responses = CheckpointResponses(networks, index, probes, params)
        baseline = responses.baseline(random)
        for task in study.tasks:
            with located(f"step {steps[index]:,}, {task}"):
                loss_at, examples = example_losses(responses, batch, task)
                rows = per_example_gradients(loss_at, responses.theta, examples)
                basis = gradient_basis(rows, params.rank).directions
                found = list(responses.ratios(basis, task, baseline))
            yield from ({"step": steps[index], **row} for row in found)
