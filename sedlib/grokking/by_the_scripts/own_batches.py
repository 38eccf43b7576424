"""A multitask run measured with a gradient batch and probes of each operation's own.

An operation's pairs are all on which it is defined: a pair with a zero is left out for ``mul`` alone, where a run of
several operations otherwise has one set of pairs, on which all are defined. Each operation draws anew, as in the
scripts; the first one draws what the run draws for all.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from sedlib.base.progress import track
from sedlib.grokking.setup.experiment import Experiment
from sedlib.grokking.setup.pairs import all_pairs, answers
from sedlib.grokking.study import Grokking
from sedlib.pipeline.coupling.measurement import StreamBases, measure_coupling
from sedlib.pipeline.parameters.ablation_params import AnalysisParams
from sedlib.pipeline.rows.bases_file import used_at
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.pipeline.rows.dumping import gradients_on
from sedlib.pipeline.rows.fixed_choices import fixed_batch
from sedlib.pipeline.rows.networks import MeasuredNetworks
from sedlib.pipeline.rows.spectra import stream_bases
from sedlib.pipeline.rows.streams import Stream
from sedlib.pipeline.study import Examples
from sedlib.products import gram_band
from sedlib.terms.stream_names import TOTAL_GRADIENT, gradient_of


class OwnExamples(Grokking):
    """A run whose examples are those of one of its operations; only that operation's targets mean anything."""

    def __init__(self, experiment: Experiment, op: str) -> None:
        super().__init__(experiment)
        self._op = op

    def examples(self, pool: str) -> Examples:
        """All pairs of the operation, of which there is no split."""
        if pool != "all":
            return super().examples(pool)
        p = self.experiment.data.p
        pairs = all_pairs([self._op], p)
        return Examples(pairs, answers([self._op], pairs, p).expand(len(self.tasks), -1))


def measure_own(
    checkpoints: RunCheckpoints, networks: MeasuredNetworks, experiment: Experiment, params: AnalysisParams
) -> Iterator[dict[str, Any]]:
    """Rows of the coupling stage's table: each operation's gradient, and the sum of all, on that operation's probes.

    Memory: the rows of every operation.
    """
    views = {op: OwnExamples(experiment, op) for op in checkpoints.study.tasks}
    draws = {op: draws_of(params, number) for number, op in enumerate(views)}
    rows = {op: _rows(checkpoints, view, op, draws[op]) for op, view in views.items()}
    summed = np.sum([np.asarray(stream.rows) for stream in rows.values()], axis=0)
    total = Stream(TOTAL_GRADIENT, summed, first_checkpoint=0)
    for op, view in views.items():
        own = replace(networks, stored=replace(networks.stored, study=view))
        streams = [_with_bases(stream, checkpoints, params) for stream in (rows[op], total)]
        found = measure_coupling(own, streams, draws[op], label=f"coupling of {op}")
        yield from (row for row in found if row["op"] == op)


def draws_of(params: AnalysisParams, number: int) -> AnalysisParams:
    """The parameters with the seeds of one operation's batch and probes: the run's own, and one more for each next."""
    moved = {
        name: getattr(params, name).model_copy(update={"seed": getattr(params, name).seed + number})
        for name in ("gradient_batch", "probes")
    }
    return params.model_copy(update=moved)


def _rows(checkpoints: RunCheckpoints, view: Grokking, op: str, params: AnalysisParams) -> Stream:
    batch, count = fixed_batch(view, params.gradient_batch), len(checkpoints.steps)
    rows = np.empty((count, checkpoints.layout.size), np.float32)
    for index, found in enumerate(track(gradients_on(checkpoints, batch), count, f"gradients of {op}")):
        rows[index] = found[gradient_of(op)].cpu().numpy()
    return Stream(gradient_of(op), rows, first_checkpoint=0)


def _with_bases(stream: Stream, checkpoints: RunCheckpoints, params: AnalysisParams) -> StreamBases:
    band = gram_band(torch.from_numpy(np.asarray(stream.rows)), params.window).cpu()
    windows = [stream_bases(stream, band, checkpoints.steps, size, params.rank) for size in sorted({1, params.window})]
    return stream, [(bases, used_at(stream, bases, params.alignment)) for bases in windows]
