"""Coupling ratios of a run: bases of its streams, measured at the same checkpoints in the same way.

Shapes: directions are ``[directions, params]``, responses ``[directions, tasks]``.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from sedlib.base.errors import located
from sedlib.base.progress import track
from sedlib.base.randomness import generator
from sedlib.bases import RollingBases, directions
from sedlib.coupling import Baseline
from sedlib.pipeline.centroids.probing import probes_of, require_known
from sedlib.pipeline.coupling.checkpoint_responses import CheckpointResponses
from sedlib.pipeline.parameters.coupling_params import CouplingParams, RandomDirectionParams
from sedlib.pipeline.rows.bases_file import used_windows
from sedlib.pipeline.rows.networks import MeasuredNetworks
from sedlib.pipeline.rows.streams import Stream
from sedlib.sampling import random_directions
from sedlib.terms.stream_names import LADDER, StreamName

StreamBases = tuple[Stream, list[tuple[RollingBases, list[int]]]]
"""A stream with its bases for every window size, and the checkpoint at which each basis is used."""


def measure_coupling(
    networks: MeasuredNetworks,
    streams: Iterable[StreamBases],
    params: CouplingParams,
    baselines: Mapping[int, Baseline] | None = None,
    label: str = "coupling",
    ladder_probes: int | None = None,
) -> Iterator[dict[str, Any]]:
    """Rows of a tidy table: one per step, task, stream, window and direction of the basis.

    A stream of one task's gradients is measured on that task's centroids, a shared stream on every task's. A window
    that is not whole at a checkpoint, or determines no basis, has no row there. ``baselines`` by step are measured
    where they are not given. The ladder's streams are measured on the first ``ladder_probes`` alone, and divided by
    the baseline there.

    Raises
    ------
    ParamsError
        The responses to random directions are lost in rounding.
    UserError
        A response is not finite, or a baseline is not positive; the message names step, stream and window.
    """
    streams = list(streams)
    require_known(networks.study, params)
    probes = probes_of(networks.study, params.probes, networks.device)
    random = drawn_directions(networks, params.random_directions)
    for index in track(
        networks.measured, len(networks.measured), label, lambda index: f"step {networks.steps[index]:,}"
    ):
        responses = CheckpointResponses(networks, index, probes, params, ladder_probes)
        given = (baselines or {}).get(responses.step)
        found = responses.baselines(random) if given is None else {False: given, True: given}
        for stream, windows in streams:
            fewer = _is_rung(stream.name)
            for basis, used_at in windows:
                if (number := used_windows(basis, used_at).get(index)) is not None:
                    labels = {"step": responses.step, "stream": stream.name, "window": basis.window}
                    with located(f"step {responses.step:,}, stream {stream.name}, window of {basis.window}"):
                        vectors = directions(stream.rows, basis, number)
                        rows = list(responses.ratios(vectors, stream.task, found[fewer], fewer=fewer))
                    yield from ({**labels, **row} for row in rows)


def _is_rung(stream: str) -> bool:
    return StreamName.of(stream).kind == LADDER


def drawn_directions(networks: MeasuredNetworks, settings: RandomDirectionParams) -> Float[Tensor, "random params"]:
    """The random directions of the baseline, on the device."""
    drawn = random_directions(settings.count, networks.layout.size, generator(settings.seed, "random directions"))
    return torch.stack(tuple(drawn)).to(networks.device)


def measured_baselines(coupling: pd.DataFrame, tasks: Sequence[str]) -> dict[int, Baseline]:
    """Baselines on all probes by step, as a table of ratios holds them: at steps where every task has a row."""
    columns = ["baseline_median", "baseline_mean", "n_random"]
    found = {}
    for step, rows in coupling[~coupling["stream"].map(_is_rung)].groupby("step"):
        median, mean, count = rows.groupby("op")[columns].first().reindex(list(tasks)).to_numpy().T
        if np.isnan(count).any():  # of an operation without a basis at this step nothing was measured
            continue
        found[int(str(step))] = Baseline(torch.tensor(median).float(), torch.tensor(mean).float(), int(count[0]))
    return found
