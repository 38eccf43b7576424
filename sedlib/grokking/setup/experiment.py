"""What determines a run's trajectory: the sections of params.yaml that the train stage depends on.

Kept apart from the analysis parameters (params.py), so that a new analysis parameter retrains nothing.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from sedlib.grokking.setup.operations import OPERATIONS
from sedlib.pipeline.parameters.sections import PARAMS_FILE, ParamsError, Section, read_params, validated
from sedlib.pipeline.parameters.value_types import Fraction, Positive, Seed


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
    checkpoint_every: Positive = Field(25, description="Steps between checkpoints.")
    max_steps: Positive = Field(8000, description="Steps after which training ends at the latest.")
    weight_decay: float | None = Field(None, ge=0, description="In place of optimizer.weight_decay, for this run.")

    @model_validator(mode="after")
    def _at_least_one_interval(self) -> "RunParams":
        if self.checkpoint_every > self.max_steps:
            raise ValueError(
                f"checkpoint_every = {self.checkpoint_every} exceeds max_steps = {self.max_steps}; "
                "choose checkpoints at least once in the run"
            )
        return self


class ModelParams(Section):
    """The Transformer encoder."""

    d_model: Positive = Field(128, description="Width of the residual stream; divisible by heads.")
    heads: Positive = Field(4, description="Attention heads per layer.")
    d_ff: Positive = Field(256, description="Width of the feed-forward layers.")
    layers: Positive = Field(2, description="Encoder layers.")

    @model_validator(mode="after")
    def _heads_divide_width(self) -> "ModelParams":
        if self.d_model % self.heads:
            raise ValueError(
                f"d_model = {self.d_model} is not divisible by heads = {self.heads}; choose a multiple of {self.heads}"
            )
        return self


class DataParams(Section):
    """The pairs."""

    p: int = Field(97, ge=2, description="Modulus of the arithmetic and size of the vocabulary.")
    train_fraction: Fraction = Field(0.5, description="Share of the pairs trained on, the rest is held out.")


class OptimizerParams(Section):
    """AdamW on minibatches."""

    lr: float = Field(0.001, gt=0, description="Learning rate.")
    betas: Annotated[list[Fraction], Field(min_length=2, max_length=2)] = Field(
        [0.9, 0.98], description="Decay rates of the two moments."
    )
    weight_decay: float = Field(1.0, ge=0, description="Decoupled weight decay, on every parameter.")
    batch_size: Positive = Field(512, description="Training pairs per step, drawn with replacement.")
    clip_norm: float = Field(1.0, gt=0, description="Largest norm of the whole gradient; larger ones are scaled down.")
    matmul_precision: Literal["highest", "high", "medium"] = Field(
        "highest",
        description="Of float32 matrix products in training steps: high allows TensorFloat-32 on GPUs, medium too, and "
        "takes bfloat16 on CPUs, also where the processor only emulates it. Analysis always takes highest.",
    )


class StoppingParams(Section):
    """When training ends before max_steps."""

    accuracy: Fraction = Field(0.98, description="Test accuracy that every operation must reach.")
    checkpoints: Positive = Field(20, description="Number of checkpoints at which it must be reached.")


class Experiment(Section):
    """All that determines one run; artifacts carry it as JSON."""

    run: RunParams
    model: ModelParams
    data: DataParams
    optimizer: OptimizerParams
    stopping: StoppingParams

    @classmethod
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
        """The same from what was read of ``path``.

        Raises
        ------
        ParamsError
            The run or one of the sections is missing or wrong.
        """
        runs = values.get("runs")
        if not isinstance(runs, dict) or run not in runs:
            names = ", ".join(map(str, runs)) if isinstance(runs, dict) else "none"
            raise ParamsError(f"{path}: no run {run!r} under 'runs'; there are: {names}")
        sections = {name: values.get(name, {}) for name in ("model", "data", "optimizer", "stopping")}
        found = validated(cls, {"run": runs[run], **sections}, path, names={"run": f"runs.{run}"})
        return found.with_weight_decay(found.run.weight_decay)

    def with_weight_decay(self, weight_decay: float | None) -> "Experiment":
        """The same with another weight decay; as it is where that is None."""
        if weight_decay is None:
            return self
        optimizer = self.optimizer.model_copy(update={"weight_decay": weight_decay})
        return self.model_copy(update={"optimizer": optimizer})
