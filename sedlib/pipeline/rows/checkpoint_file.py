"""The checkpoint file as training writes it: every parameter at every checkpoint, and the optimizer's moments.

Shapes: moments are ``[params]``, the slots. It knows nothing of a study, so that training depends on no code that only
measures.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

import h5py
from jaxtyping import Float
from torch import Tensor, nn

from sedlib.base.store import Dataset, append, growing
from sedlib.pipeline.artifacts import ArtifactSchema
from sedlib.pipeline.input_format import InputFormat
from sedlib.vectors import ParamLayout

MOMENTS = ("exp_avg", "exp_avg_sq")


def checkpoints_schema(inputs: InputFormat) -> ArtifactSchema:
    """The file's contract, with what an input is in a study."""
    return ArtifactSchema(
        "checkpoints",
        1,
        {
            "steps": Dataset(("steps",), "int64", "optimizer steps taken at each checkpoint; the first is 0"),
            "state/*": Dataset(("steps", "..."), "float32", "every parameter of the model, by name"),
            "optimizer/exp_avg": Dataset(
                ("steps", "params"),
                "float32",
                "AdamW's first moment of the slots; zero at step 0",
                optional=True,
            ),
            "optimizer/exp_avg_sq": Dataset(
                ("steps", "params"),
                "float32",
                "AdamW's second moment of the slots; zero at step 0",
                optional=True,
            ),
            "split/train": Dataset(
                ("train_pairs", *inputs.axes), inputs.dtype, f"{inputs.description} trained on", optional=True
            ),
            "split/test": Dataset(
                ("test_pairs", *inputs.axes), inputs.dtype, f"{inputs.description} held out", optional=True
            ),
        },
        stage="train",
    )


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
    inputs: InputFormat,
    run: str,
    slots: ParamLayout,
    checkpoints: Iterable[Recorded],
    split: Mapping[str, Tensor] | None = None,
) -> None:
    """Write every checkpoint as it comes.

    Parameters
    ----------
    run
        All that determines the run, as the study's ``to_json`` gives it.
    split
        Inputs of ``train`` and ``test``, where a study keeps them.
    """
    attributes = {"run": run, "layout": slots.to_json(), "settings": "{}"}
    with checkpoints_schema(inputs).create(path, attributes) as file:
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
