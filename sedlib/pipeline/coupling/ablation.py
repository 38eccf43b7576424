"""Ablations of the diagnostic: coupling ratios of a run's gradient bases with one parameter changed at a time.

Whatever the coupling stage measured already is taken from its table: the value that params.yaml has, W = 1, and the
random baseline wherever only the basis changes. Rows on another batch are computed in memory, one value at a time:
4 N bytes per checkpoint and task.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import h5py
import numpy as np
import pandas as pd
import torch

from sedlib.base.progress import track
from sedlib.pipeline.coupling.ablated_inputs import require_of_one_another
from sedlib.pipeline.coupling.measurement import StreamBases, measure_coupling, measured_baselines
from sedlib.pipeline.parameters.ablation_params import AXES, AblationParams, AnalysisParams
from sedlib.pipeline.parameters.row_params import GradientBatchParams
from sedlib.pipeline.rows.bases_file import read_band, used_at
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.pipeline.rows.dumping import gradients_on
from sedlib.pipeline.rows.fixed_choices import fixed_batch
from sedlib.pipeline.rows.networks import MeasuredNetworks
from sedlib.pipeline.rows.spectra import stream_bases
from sedlib.pipeline.rows.streams import Stream, read_streams
from sedlib.products import gram_band
from sedlib.terms.stream_names import gradient_of

Row = dict[str, Any]


@dataclass(frozen=True)
class Ablation:
    """What all values of all axes share: a run's artifacts, and the parameters that are changed one at a time."""

    params: AnalysisParams
    networks: MeasuredNetworks
    bases: h5py.File
    coupling: pd.DataFrame
    """The coupling stage's table."""
    checkpoints: RunCheckpoints | None
    """Needed by the axes of the gradient batch alone."""

    def __post_init__(self) -> None:
        require_of_one_another(self.params, self.networks, self.bases, self.coupling)

    def along(self, axis: str) -> Iterator[Row]:
        """Rows of a tidy table: the coupling stage's for each task's gradient, with ``axis`` and ``value``."""
        values = getattr(self.params.ablation, axis)
        nested = [value for value in values if axis == "rank" and value <= self.params.window]
        if nested:  # the first k directions of the largest basis are the basis of rank k
            rows = list(self._at(axis, max(nested)))
        for value in values:
            found: Iterable[Row] = self._at(axis, value)
            if value in nested:
                found = (row for row in rows if row["direction"] <= value)
            yield from ({"axis": axis, "value": value, **row} for row in found)

    def _at(self, axis: str, value: Any) -> Iterator[Row]:
        changed = self.params.varied(axis, value)
        if changed == self.params.model_copy(update={"ablation": AblationParams()}) or (axis, value) == ("window", 1):
            own = self.coupling["stream"] == self.coupling["op"].map(gradient_of)
            rows = self.coupling[own & (self.coupling["window"] == changed.window)]
            yield from cast("list[Row]", rows.to_dict("records"))
            return
        same_batch = changed.gradient_batch == self.params.gradient_batch
        streams = self._dumped(changed.window) if same_batch else self._on_batch(changed.gradient_batch)
        yield from measure_coupling(
            self.networks,
            [_with_bases(stream, band, self.networks.steps, changed) for stream, band in streams],
            changed,
            self._baselines() if AXES[axis].only_the_basis else None,
            label=f"{axis} {value}",
        )

    def _baselines(self) -> dict[int, Any]:
        return measured_baselines(self.coupling, self.networks.study.tasks)

    def _dumped(self, window: int) -> Iterator[tuple[Stream, torch.Tensor]]:
        """Each task's gradients with their band: the bases stage's, where it reaches."""
        for stream in read_streams(self.networks.file, self.networks.study):
            if stream.task is not None:
                band = read_band(self.bases, stream)
                yield stream, band if band.shape[1] >= window else gram_band(stream.rows, window, self._device).cpu()

    def _on_batch(self, settings: GradientBatchParams) -> Iterator[tuple[Stream, torch.Tensor]]:
        """Each task's gradients on another batch, with their band."""
        checkpoints = cast("RunCheckpoints", self.checkpoints)
        batch, steps = fixed_batch(checkpoints.study, settings), checkpoints.steps
        names = [gradient_of(task) for task in checkpoints.study.tasks]
        rows = {name: np.empty((len(steps), checkpoints.layout.size), np.float32) for name in names}
        for index, found in enumerate(track(gradients_on(checkpoints, batch), len(steps), "gradients")):
            for name in names:
                rows[name][index] = found[name].cpu().numpy()
        for name in names:
            stream = Stream(name, rows[name], first_checkpoint=0)
            yield stream, gram_band(stream.rows, self.params.window, self._device).cpu()

    @property
    def _device(self) -> torch.device:
        return self.networks.device


def _with_bases(stream: Stream, band: torch.Tensor, steps: Sequence[int], params: AnalysisParams) -> StreamBases:
    bases = stream_bases(stream, band, steps, params.window, params.rank)
    return stream, [(bases, used_at(stream, bases, params.alignment))]
