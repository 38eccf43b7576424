"""Coupling of the gradient on permuted answers: a null that none of the papers has.

Such a gradient shares with the task's own the network, the inputs and how often each answer occurs, and nothing of the
task. Its bases are measured as the coupling stage measures the task's own, against the same random directions: own
ratios are those of the coupling stage's table.
"""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
import pandas as pd
import torch

from sedlib.base.progress import track
from sedlib.base.randomness import generator
from sedlib.pipeline.coupling.measurement import StreamBases, measure_coupling, measured_baselines
from sedlib.pipeline.parameters.permuted_params import PermutedAnalysis
from sedlib.pipeline.rows.bases_file import used_at
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.pipeline.rows.dumping import gradients_on
from sedlib.pipeline.rows.fixed_choices import fixed_batch, measured_checkpoints
from sedlib.pipeline.rows.networks import MeasuredNetworks
from sedlib.pipeline.rows.spectra import stream_bases
from sedlib.pipeline.rows.streams import Stream
from sedlib.pipeline.study import Examples
from sedlib.products import gram_band
from sedlib.terms.stream_names import gradient_of

KEYS = ["step", "op", "window"]
NOWHERE = -1
"""In place of the checkpoint of a basis that is measured at none."""


def measure_permuted(
    checkpoints: RunCheckpoints, networks: MeasuredNetworks, coupling: pd.DataFrame, params: PermutedAnalysis
) -> Iterator[dict[str, Any]]:
    r"""Rows of a tidy table, one per step, task and window: own :math:`\bar R`, and mean and deviation of the null's.

    The answers of all tasks go to other examples by one permutation for each draw, so that a total of the tasks'
    gradients stays one of the same examples.

    Memory: the rows of each task, for one draw at a time.
    """
    batch = fixed_batch(checkpoints.study, params.gradient_batch)
    random = generator(params.permuted.seed, "permuted answers")
    chosen = [
        networks.measured[place] for place in measured_checkpoints(len(networks.measured), params.permuted.measured)
    ]
    baselines, found = measured_baselines(coupling, checkpoints.study.tasks), []
    for number in range(params.permuted.count):
        streams = streams_on(
            checkpoints, with_permuted_answers(batch, random), label=f"permuted gradients {number + 1}"
        )
        bases = [_bases_at(stream, checkpoints, networks, params, chosen) for stream in streams]
        rows = measure_coupling(networks, bases, params, baselines, label=f"permuted coupling {number + 1}")
        found.append(_means(pd.DataFrame(rows)).assign(draw=number))
    yield from _beside_own(pd.concat(found), coupling)


def with_permuted_answers(batch: Examples, random: torch.Generator) -> Examples:
    """The batch with its targets in another order, of all tasks in the same one."""
    return Examples(batch.inputs, batch.targets[:, torch.randperm(len(batch), generator=random)])


def streams_on(checkpoints: RunCheckpoints, batch: Examples, label: str) -> list[Stream]:
    """Each task's gradients on a batch, at every checkpoint."""
    names = [gradient_of(task) for task in checkpoints.study.tasks]
    count = len(checkpoints.steps)
    rows = {name: np.empty((count, checkpoints.layout.size), np.float32) for name in names}
    for index, found in enumerate(track(gradients_on(checkpoints, batch), count, label)):
        for name in names:
            rows[name][index] = found[name].cpu().numpy()
    return [Stream(name, rows[name], first_checkpoint=0) for name in names]


def _bases_at(
    stream: Stream,
    checkpoints: RunCheckpoints,
    networks: MeasuredNetworks,
    params: PermutedAnalysis,
    chosen: Sequence[int],
) -> StreamBases:
    """Bases of W and of W = 1, used at the chosen checkpoints alone."""
    band = gram_band(stream.rows, params.window, networks.device).cpu()
    every = []
    for window in sorted({1, params.window}):
        bases = stream_bases(stream, band, checkpoints.steps, window, params.rank)
        places = used_at(stream, bases, params.alignment)
        every.append((bases, [place if place in chosen else NOWHERE for place in places]))
    return stream, every


def _means(coupling: pd.DataFrame) -> pd.DataFrame:
    return coupling.groupby(KEYS, sort=False)[["ratio"]].mean().reset_index()


def _beside_own(draws: pd.DataFrame, coupling: pd.DataFrame) -> Iterator[dict[str, Any]]:
    own = coupling[coupling["stream"] == coupling["op"].map(gradient_of)]
    null = draws.groupby(KEYS)["ratio"].agg(permuted_mean="mean", permuted_sd="std", n="count").reset_index()
    table = null.merge(_means(own), how="left", on=KEYS)
    columns = [*KEYS, "ratio", "permuted_mean", "permuted_sd", "n"]
    yield from cast("list[dict[str, Any]]", table[columns].astype(object).where(table.notna(), None).to_dict("records"))
