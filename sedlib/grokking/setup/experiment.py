"""What determines a run's trajectory: the sections of params.yaml that the train stage depends on.

Kept apart from the analysis parameters (params.py), so that a new analysis parameter retrains nothing.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from sedlib.base.edited import watched
from sedlib.base.errors import quoted
from sedlib.grokking.setup.operations import OPERATIONS
from sedlib.grokking.setup.sizes import NetworkSizes, size_problem
from sedlib.pipeline.parameters.limits import CHECKPOINTS, LAYERS, MODULUS, WIDTH
from sedlib.pipeline.parameters.sections import PARAMS_FILE, ParamsError, Section, read_params, some, validated
from sedlib.pipeline.parameters.value_types import Examples, Fraction, Rate, Scale, Seed, Steps, WeightDecay

Width = Annotated[int, Field(gt=0, le=WIDTH.most), WIDTH]
Layers = Annotated[int, Field(gt=0, le=LAYERS.most), LAYERS]


def _known_operations(ops: list[str]) -> list[str]:
    for op in ops:
        if op not in OPERATIONS:
            raise ValueError(f"unknown operation {op!r}; choose from {', '.join(OPERATIONS)}")
    if len(set(ops)) < len(ops):
        raise ValueError("an operation is repeated; name each once")
    return ops


class RunParams(Section):
    """One run: which operations one network learns together, from which seed."""

    ops: Annotated[list[str], Field(min_length=1), AfterValidator(_known_operations)] = Field(
        description=f"Operations learned together, each with a head of its own: {', '.join(OPERATIONS)}."
    )
    seed: Seed = Field(description="Seed of the split, the initial weights and the training batches.")
    checkpoint_every: Steps = Field(25, description="Steps between checkpoints.")
    max_steps: Steps = Field(8000, description="Steps after which training ends at the latest.")
    weight_decay: WeightDecay | None = Field(
        None, description="Weight decay of this run, in place of optimizer.weight_decay."
    )

    @model_validator(mode="after")
    def _at_least_one_interval(self) -> "RunParams":
        if self.checkpoint_every > self.max_steps:
            raise ValueError(
                f"checkpoint_every = {self.checkpoint_every} exceeds max_steps = {self.max_steps}; "
                "choose checkpoints at least once in the run"
            )
        if self.most_checkpoints > CHECKPOINTS.most:
            raise ValueError(
                f"max_steps = {self.max_steps} at checkpoint_every = {self.checkpoint_every} are "
                f"{self.most_checkpoints:,} checkpoints, more than {CHECKPOINTS.most:,} {CHECKPOINTS.description}; "
                "choose a larger checkpoint_every"
            )
        return self

    @property
    def most_checkpoints(self) -> int:
        """Number of checkpoints if the run trains to its last step, the one at step 0 included."""
        return self.max_steps // self.checkpoint_every + 1


class ModelParams(Section):
    """The Transformer encoder."""

    d_model: Width = Field(128, description="Width of the residual stream; divisible by heads.")
    heads: Layers = Field(4, description="Attention heads per layer.")
    d_ff: Width = Field(256, description="Width of the feed-forward layers.")
    layers: Layers = Field(2, description="Encoder layers.")

    @model_validator(mode="after")
    def _heads_divide_width(self) -> "ModelParams":
        if self.d_model % self.heads:
            raise ValueError(
                f"d_model = {self.d_model} is not divisible by heads = {self.heads}; choose a multiple of {self.heads}"
            )
        return self


class DataParams(Section):
    """The pairs."""

    p: Annotated[int, MODULUS] = Field(
        97, ge=2, le=MODULUS.most, description="Modulus of the arithmetic and size of the vocabulary."
    )
    train_fraction: Fraction = Field(0.5, description="Share of the pairs that are trained on; the rest is held out.")


class OptimizerParams(Section):
    """AdamW on minibatches."""

    lr: Rate = Field(0.001, description="Learning rate.")
    betas: Annotated[list[Fraction], Field(min_length=2, max_length=2)] = Field(
        [0.9, 0.98], description="Decay rates of the two moments."
    )
    weight_decay: WeightDecay = Field(1.0, description="Decoupled weight decay, on every parameter.")
    batch_size: Examples = Field(512, description="Training pairs per step, drawn with replacement.")
    clip_norm: Scale = Field(1.0, description="Largest norm of the whole gradient; a larger gradient is scaled down.")
    matmul_precision: Literal["highest", "high", "medium"] = Field(
        "highest",
        description="Precision of float32 matrix products in training: high allows TensorFloat-32 on GPUs, medium "
        "too, and takes bfloat16 on CPUs, also where the processor only emulates it. Analysis always takes highest.",
    )


class StoppingParams(Section):
    """When training ends before max_steps."""

    accuracy: Fraction = Field(0.98, description="Test accuracy that every operation must reach.")
    checkpoints: Annotated[int, CHECKPOINTS] = Field(
        20, gt=0, le=CHECKPOINTS.most, description="Number of checkpoints at which the accuracy must be reached."
    )


class Experiment(Section):
    """All that determines one run; artifacts carry it as JSON."""

    run: RunParams
    model: ModelParams
    data: DataParams
    optimizer: OptimizerParams
    stopping: StoppingParams

    @model_validator(mode="after")
    def _of_a_size_that_can_be_trained(self) -> "Experiment":
        if problem := size_problem(self.sizes.training(self.optimizer.batch_size)):
            raise ValueError(problem)
        return self

    @property
    def sizes(self) -> NetworkSizes:
        """Of the run's network."""
        return NetworkSizes(**self.model.model_dump(), p=self.data.p, tasks=len(self.run.ops))

    @classmethod
    @watched
    def load(cls, run: str, path: Path = PARAMS_FILE) -> "Experiment":
        """The experiment that ``path`` describes under ``runs.<run>``; its own weight decay replaces the optimizer's.

        Raises
        ------
        ParamsError
            The file, the run or one of the sections is missing or wrong.
        """
        return cls.of(read_params(path), run, path)

    @classmethod
    def of(cls, values: Mapping[str, Any], run: str, path: Path = PARAMS_FILE) -> "Experiment":
        """The experiment from what was read of ``path``.

        Raises
        ------
        ParamsError
            The run or one of the sections is missing or wrong.
        """
        runs = values.get("runs")
        if not isinstance(runs, dict) or run not in runs:
            names = some(runs) if isinstance(runs, dict) else "none"
            raise ParamsError(f"{path}: no run {quoted(run)} under 'runs'; there are: {names}")
        sections = {name: values.get(name, {}) for name in ("model", "data", "optimizer", "stopping")}
        found = validated(cls, {"run": runs[run], **sections}, path, names={"run": f"runs.{run}"})
        return found.with_weight_decay(found.run.weight_decay)

    def with_weight_decay(self, weight_decay: float | None) -> "Experiment":
        """The experiment with another weight decay; unchanged if ``weight_decay`` is None."""
        if weight_decay is None:
            return self
        optimizer = self.optimizer.model_copy(update={"weight_decay": weight_decay})
        return self.model_copy(update={"optimizer": optimizer})
