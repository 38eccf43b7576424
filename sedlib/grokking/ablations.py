"""Ablations of the diagnostic: coupling ratios of a run's gradient bases with one parameter changed at a time.

Whatever the coupling stage measured already is taken from its table: the value that params.yaml has, and the random
baseline wherever only the basis changes. Rows on another batch are computed in memory, one value at a time:
4 N bytes per checkpoint and operation.
"""

from collections.abc import Iterable, Iterator
from typing import Any, cast

import h5py
import numpy as np
import pandas as pd
import torch

from sedlib.bases import gram
from sedlib.grokking.axes import AXES, AblationParams
from sedlib.grokking.checkpoints import RunCheckpoints
from sedlib.grokking.couplings import Measurement, StreamBases, measure_coupling, measured_baselines
from sedlib.grokking.dumping import fixed_batch, gradients_on
from sedlib.grokking.params import Params
from sedlib.grokking.spectra import stream_bases, used_at
from sedlib.grokking.streams import Stream, read_streams
from sedlib.progress import track


def ablate(
    axis: str,
    params: Params,
    checkpoints: RunCheckpoints,
    gradients: h5py.File,
    bases: h5py.File,
    coupling: pd.DataFrame,
) -> Iterator[dict[str, Any]]:
    """Rows of a tidy table: those of the coupling stage for each operation's gradient, with ``axis`` and ``value``."""
    values = getattr(params.ablation, axis)
    nested = [value for value in values if axis == "rank" and value <= params.window]
    if nested:  # the first k directions of the largest basis are the basis of rank k
        rows = list(_measured(axis, max(nested), params, checkpoints, gradients, bases, coupling))
    for value in values:
        if value in nested:
            found: Iterable[dict[str, Any]] = (row for row in rows if row["direction"] <= value)
        else:
            found = _measured(axis, value, params, checkpoints, gradients, bases, coupling)
        yield from ({"axis": axis, "value": value, **row} for row in found)


def _measured(
    axis: str,
    value: Any,
    params: Params,
    checkpoints: RunCheckpoints,
    gradients: h5py.File,
    bases: h5py.File,
    coupling: pd.DataFrame,
) -> Iterator[dict[str, Any]]:
    changed = params.varied(axis, value)
    if changed == params.model_copy(update={"ablation": AblationParams()}):
        own = coupling["stream"] == "gradient/" + coupling["op"]
        rows = coupling[own & (coupling["window"] == params.window)]
        yield from cast("list[dict[str, Any]]", rows.to_dict("records"))
        return
    streams = (
        _dumped_streams(gradients, bases)
        if changed.gradient_batch == params.gradient_batch
        else _streams_on_batch(checkpoints, changed)
    )
    yield from measure_coupling(
        checkpoints,
        [_with_bases(stream, products, changed) for stream, products in streams],
        Measurement.of(changed),
        changed.measured_checkpoints,
        measured_baselines(coupling, checkpoints.experiment.run.ops) if AXES[axis].only_the_basis else None,
        label=f"{axis} {value}",
    )


def _dumped_streams(gradients: h5py.File, bases: h5py.File) -> Iterator[tuple[Stream, torch.Tensor]]:
    """Each operation's gradients with their Gram matrix, as they were dumped."""
    for stream in read_streams(gradients):
        if stream.op is not None:
            yield stream, torch.from_numpy(bases[f"streams/{stream.name}/gram"][:])


def _streams_on_batch(checkpoints: RunCheckpoints, params: Params) -> Iterator[tuple[Stream, torch.Tensor]]:
    """Each operation's gradients on another batch, with their Gram matrix."""
    batch = fixed_batch(checkpoints, params.gradient_batch)
    names = [f"gradient/{op}" for op in checkpoints.experiment.run.ops]
    rows = {name: np.empty((len(checkpoints.steps), checkpoints.layout.size), np.float32) for name in names}
    for index, found in enumerate(track(gradients_on(checkpoints, batch), len(checkpoints.steps), "gradients")):
        for name in names:
            rows[name][index] = found[name].cpu().numpy()
    device = checkpoints.model.token.device
    for name in names:
        yield Stream(name, rows[name], first_checkpoint=0), gram(rows[name], device).cpu()


def _with_bases(stream: Stream, products: torch.Tensor, params: Params) -> StreamBases:
    bases = stream_bases(stream, products, params.window, params.rank)
    return stream, [(bases, used_at(stream, bases, params.alignment))]
