"""What the pipeline must know of an experiment: the protocol that every study implements.

A study has one network that learns one or more tasks at once. Of each it gives the loss on a batch, whose gradients are
the rows, and the scores whose gradient by the embedded input h is the centroid. All else stays in the study: how it
trains, its own readouts, its interventions.

Shapes: examples are numbered along the first axis of inputs ``[examples, ...]`` and of the embedded input
``[examples, ...]``, and along the second axis of targets ``[tasks, examples, ...]``.
"""

import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor, nn

from sedlib.base.described.table_schema import TableSchema
from sedlib.base.errors import UserError
from sedlib.blocks import blocks
from sedlib.pipeline.input_format import InputFormat
from sedlib.vectors import ParamLayout

STUDY_FILE = Path("study.py")


@dataclass(frozen=True)
class Examples:
    """Some of a study's examples: inputs, and what is asked of each, by task."""

    inputs: Shaped[Tensor, "examples ..."]
    targets: Shaped[Tensor, "tasks examples ..."]

    def __len__(self) -> int:
        return len(self.inputs)

    def chosen(self, numbers: Int64[Tensor, " chosen"]) -> "Examples":
        """The examples with these numbers."""
        return Examples(self.inputs[numbers], self.targets[:, numbers])

    def drawn(self, count: int, generator: torch.Generator) -> "Examples":
        """``count`` different examples, drawn at random.

        Raises
        ------
        UserError
            There are fewer than that.
        """
        if count > len(self):
            raise UserError(f"cannot draw {count} different examples from {len(self)}; choose a smaller count")
        return self.chosen(torch.randperm(len(self), generator=generator)[:count])

    def to(self, device: torch.device, dtype: torch.dtype | None = None) -> "Examples":
        """The examples on ``device``; floating-point tensors also in ``dtype``, if one is given."""
        return Examples(*(_moved(tensor, device, dtype) for tensor in (self.inputs, self.targets)))


def _moved(tensor: Tensor, device: torch.device, dtype: torch.dtype | None) -> Tensor:
    return tensor.to(device, dtype if tensor.is_floating_point() else None)


@dataclass(frozen=True)
class AdamW:
    """Settings of the optimizer, as far as the estimator ladder needs them."""

    lr: float
    betas: tuple[float, float]
    weight_decay: float
    clip_norm: float


@dataclass(frozen=True)
class Ladder:
    """What the rungs between a gradient and an update are computed from, in a study trained by AdamW."""

    optimizer: AdamW
    batches_after: Callable[[Sequence[int]], Iterator[Examples]]
    """The training batch of the step that follows each of some steps."""


@runtime_checkable
class Study(Protocol):
    """One run of an experiment, as the pipeline sees it.

    A study inherits from this class. It may replace the members that do something here, and must define the others.
    """

    inputs: ClassVar[InputFormat]
    centroids: ClassVar[tuple[str, ...]]
    """Definitions of the centroid; ``centroid`` in params.yaml chooses one."""
    tables: ClassVar[tuple[TableSchema, ...]] = ()
    """Readouts of its own that stages of the study write for every run."""

    @property
    def tasks(self) -> Sequence[str]:
        """Names of the tasks that the network learns together, in the order of the targets."""

    @property
    def labels(self) -> Mapping[str, Any]:
        """What the run's summary says of it, such as its seed; as a rule nothing."""
        return {}

    @classmethod
    def of_run(cls, run: str) -> "Study":
        """The run that params.yaml describes under ``runs.<run>``; raises a UserError where it does not."""

    def to_json(self) -> str:
        """All that determines the run, as its files carry it: equal texts are the same run."""

    @property
    def schedule(self) -> Sequence[int] | None:
        """Steps at which its checkpoints lie, of which a finished run has the first; None where nothing is known."""
        return None

    def network(self) -> nn.Module:
        """The network before training, on the CPU; a checkpoint is loaded into it."""

    def slots(self, network: nn.Module) -> ParamLayout:
        """The parameters whose rows are taken, such as the attention slots."""

    def matrices(self, network: nn.Module) -> Mapping[str, slice]:
        """Columns of each matrix among the slots in a vector of all parameters, by the name that tables show.

        As a rule every slot is one matrix, under its own name.
        """
        return blocks(ParamLayout.select(network, "*"), self.slots(network).names)

    def examples(self, pool: str) -> Examples:
        """The examples of a pool, on the CPU: ``train``, ``test`` or ``all``; the same ones at every call."""

    def losses(self, network: nn.Module, examples: Examples) -> Float[Tensor, " tasks"]:
        """Mean loss of each task; differentiable in every parameter of the network."""
        return self.example_losses(network, self.embedded(network, examples.inputs), examples.targets).mean(1)

    def embedded(self, network: nn.Module, inputs: Tensor) -> Float[Tensor, "examples ..."]:
        """The embedded input h of each input, by which the centroid's gradient is taken.

        Where it depends on the slots it moves with them.
        """

    def example_losses(self, network: nn.Module, embedded: Tensor, targets: Tensor) -> Float[Tensor, "tasks examples"]:
        """Loss of each task on each example, from embedded inputs, each example on its own."""

    def scores(
        self, network: nn.Module, embedded: Tensor, targets: Tensor, centroid: str
    ) -> Float[Tensor, "tasks examples"]:
        """Score of each task on each example, from embedded inputs: the centroid is its gradient.

        Each example on its own, and twice differentiable. ``centroid`` is one of ``centroids``.
        """

    def ladder(self) -> Ladder | None:
        """What the estimator ladder needs; as a rule None, as only a study trained by AdamW leaves its moments."""
        return None


def load_study() -> type[Study]:
    """What ``study.py`` calls ``Study``, in the working directory or the nearest folder above it. It runs the file.

    Raises
    ------
    UserError
        There is no such file, or no such name in it.
    """
    here = Path.cwd()
    path = next((found for folder in (here, *here.parents) if (found := folder / STUDY_FILE).exists()), None)
    if path is None:
        raise UserError(f"no {STUDY_FILE} in {here} or above it: run from the folder of a study, which says what it is")
    sys.path.append(str(path.parent))  # for what lies beside it
    specification = importlib.util.spec_from_file_location("study", path)
    if specification is None or specification.loader is None:
        raise UserError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(specification)
    sys.modules["study"] = module  # where dataclasses look up what a class's annotations name
    specification.loader.exec_module(module)
    if not isinstance(study := getattr(module, "Study", None), type):
        raise UserError(f"{path} must define a class Study, or import one by that name (sedlib/pipeline/study.py)")
    return study
