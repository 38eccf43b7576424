"""Coupling of gradient and update at several windows along a run, from its checkpoints alone.

No gradients file is kept, which is gigabytes of a long run: rows are in memory, taken as the stage dump takes them, and
measured as the coupling stage measures.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from torch import nn

from sedlib.pipeline.coupling.measurement import StreamBases, measure_coupling
from sedlib.pipeline.coupling.permuted_answers import streams_on
from sedlib.pipeline.parameters.ablation_params import AnalysisParams
from sedlib.pipeline.rows.bases_file import used_at
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.pipeline.rows.fixed_choices import fixed_batch, measured_checkpoints
from sedlib.pipeline.rows.networks import MeasuredNetworks
from sedlib.pipeline.rows.spectra import stream_bases
from sedlib.pipeline.rows.streams import Stream
from sedlib.products import gram_band
from sedlib.terms.stream_names import UPDATE


class ChosenCheckpoints(MeasuredNetworks):
    """The measured networks of a checkpoints file, which holds those of every checkpoint."""

    def load(self, index: int) -> nn.Module:
        """The network at checkpoint number ``index``; it is overwritten by the next ``load``."""
        return self.stored.load(index)


def measure_windows(
    checkpoints: RunCheckpoints, params: AnalysisParams, windows: Sequence[int], count: int
) -> Iterator[dict[str, Any]]:
    """Rows of the coupling stage's table at ``count`` checkpoints: gradients at every window, the update at W.

    Memory: the rows of every task's gradients and of the updates.
    """
    steps = checkpoints.steps
    networks = ChosenCheckpoints(checkpoints.stored, steps, measured_checkpoints(len(steps), count))
    gradients = streams_on(checkpoints, fixed_batch(checkpoints.study, params.gradient_batch), "gradients")
    streams = [_with_bases(stream, steps, params, windows) for stream in gradients]
    streams.append(_with_bases(_updates(checkpoints), steps, params, [params.window]))
    yield from measure_coupling(networks, streams, params)


def _updates(checkpoints: RunCheckpoints) -> Stream:
    """Differences of successive checkpoints; each belongs to the checkpoint that it leads to."""
    rows = np.empty((len(checkpoints.steps), checkpoints.layout.size), np.float32)
    for index in range(len(rows)):
        rows[index] = checkpoints.layout.flatten(checkpoints.load(index).state_dict()).cpu().numpy()
    return Stream(UPDATE, np.diff(rows, axis=0), first_checkpoint=1)


def _with_bases(stream: Stream, steps: list[int], params: AnalysisParams, windows: Sequence[int]) -> StreamBases:
    band = gram_band(stream.rows, max(windows)).cpu()
    found = [stream_bases(stream, band, steps, size, params.rank) for size in sorted(windows)]
    return stream, [(bases, used_at(stream, bases, params.alignment)) for bases in found]
