"""The checkpoint file as training writes it: every parameter at every checkpoint, and the optimizer's moments.

Shapes: moments are ``[params]``, the slots. It knows nothing of a study, so that training depends on no code that only
measures.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import h5py
from jaxtyping import Float
from torch import Tensor, nn

from sedlib.base.hdf5.dataset import Dataset
from sedlib.base.hdf5.growing import append, growing
from sedlib.pipeline.artifacts import ArtifactSchema
from sedlib.pipeline.input_format import InputFormat
from sedlib.vectors import ParamLayout

MOMENTS = ("exp_avg", "exp_avg_sq")
_ROWS = ("steps", "params")


def checkpoints_schema(
    run: str,
    inputs: InputFormat,
    network: nn.Module,
    slots: ParamLayout,
    schedule: Sequence[int] | None = None,
    needs_moments: bool = False,
) -> ArtifactSchema:
    """The file's contract for one run.

    Parameters
    ----------
    run
        All that determines it, as the study's ``to_json`` gives it.
    inputs
        What an input is.
    network
        Any of its networks, for names and shapes.
    schedule
        Steps at which checkpoints lie, of which the file has the first.
    needs_moments
        Whether the file must have the optimizer's moments.
    """
    moment = "of the slots, AdamW's; zero at step 0"
    return ArtifactSchema(
        "checkpoints",
        2,
        {
            "steps": Dataset(
                ("steps",),
                "int64",
                "optimizer steps taken at each checkpoint; the first is 0",
                increasing=True,
                least=0,
                start_of=schedule,
            ),
            **state_datasets("steps", network),
            "optimizer/exp_avg": Dataset(_ROWS, "float32", f"first moment {moment}", optional=not needs_moments),
            "optimizer/exp_avg_sq": Dataset(
                _ROWS, "float32", f"second moment {moment}", optional=not needs_moments, least=0
            ),
            "split/train": Dataset(
                ("train_pairs", *inputs.axes), inputs.dtype, f"{inputs.description} trained on", optional=True
            ),
            "split/test": Dataset(
                ("test_pairs", *inputs.axes), inputs.dtype, f"{inputs.description} held out", optional=True
            ),
        },
        attributes={"run": run, "layout": slots.to_json(), "settings": "{}"},
        shared_axes=frozenset({"steps"}),
        lengths={"params": slots.size},
        stage="train",
    )


def state_datasets(axis: str, network: nn.Module) -> dict[str, Dataset]:
    """Those of every parameter of ``network``, at each place along ``axis``."""
    return {
        f"state/{name}": Dataset((axis, *value.shape), "float32", "a parameter of the model")
        for name, value in network.state_dict().items()
    }


@runtime_checkable
class Recorded(Protocol):
    """What the file keeps of a checkpoint. The network is live: what is kept is copied at once."""

    @property
    def step(self) -> int:
        """Optimizer steps taken."""

    @property
    def model(self) -> nn.Module:
        """The network."""

    @property
    def moments(self) -> Mapping[str, Float[Tensor, " params"]]:
        """The optimizer's moments of the slots, ``exp_avg`` and ``exp_avg_sq``; empty where the study has none."""


def write_checkpoints(
    path: Path,
    schema: ArtifactSchema,
    checkpoints: Iterable[Recorded],
    split: Mapping[str, Tensor] | None = None,
) -> None:
    """Write every checkpoint as it comes, by its run's ``checkpoints_schema``.

    Parameters
    ----------
    split
        Inputs of ``train`` and ``test``, where a study keeps them.
    """
    with schema.create(path) as file:
        for name, chosen in (split or {}).items():
            file[f"split/{name}"] = chosen.cpu().numpy()
        steps = growing(file, "steps", (), "int64")
        series: dict[str, h5py.Dataset] = {}
        for checkpoint in checkpoints:
            append(steps, checkpoint.step)
            for name, value in {
                **{f"state/{name}": value for name, value in checkpoint.model.state_dict().items()},
                **{f"optimizer/{name}": value for name, value in checkpoint.moments.items()},
            }.items():
                if name not in series:
                    series[name] = growing(file, name, tuple(value.shape))
                append(series[name], value.cpu().numpy())
