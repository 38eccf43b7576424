"""The whole of params.yaml: the single truth about every parameter, its meaning and its limits."""

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from sedlib.grokking.experiment import (
    DataParams,
    Fraction,
    ModelParams,
    OptimizerParams,
    Positive,
    RunParams,
    Seed,
    StoppingParams,
)
from sedlib.grokking.operations import operands
from sedlib.grokking.schema import PARAMS_FILE, Section, read_yaml, validated

RUN_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]*"


class GradientBatchParams(Section):
    """The fixed batch on which gradient rows are taken."""

    size: Positive = Field(512, description="Number of different pairs.")
    seed: Seed = Field(0, description="Seed of the draw.")
    pairs: Literal["all", "train", "test"] = Field("all", description="Pairs drawn from: all, train or test.")


class ProbeParams(Section):
    """The fixed pairs whose centroids are measured."""

    count: Positive = Field(1024, description="Number of different pairs, drawn from all.")
    seed: Seed = Field(0, description="Seed of the draw.")


class ResponseParams(Section):
    """How the response of centroids to a direction is measured."""

    kind: Literal["difference", "jvp"] = Field(
        "difference", description="Central difference with a finite step, or jvp, its exact limit."
    )
    epsilon: float = Field(
        0.005, gt=0, lt=1, description="Step of the difference, relative to the norm of the attention slots."
    )


class RandomDirectionParams(Section):
    """The Gaussian unit directions of the baseline."""

    count: Positive = Field(20, description="Number of directions.")
    seed: Seed = Field(0, description="Seed of the draw.")


class Params(Section):
    """All of params.yaml."""

    window: Positive = Field(20, description="W: rows of a stream in one window of the rolling SVD.")
    rank: Positive = Field(3, description="k: right singular vectors in a basis; at most window.")
    alignment: Literal["trailing", "forward"] = Field(
        "trailing",
        description="Whether the window of a checkpoint ends there (trailing) or starts there (forward).",
    )
    centroid: Literal["logit", "full"] = Field(
        "logit",
        description="Centroid: gradient of the correct answer's logit, or of the sum of all logits (full).",
    )
    measured_checkpoints: Positive | Literal["all"] = Field(
        40, description="Evenly spaced checkpoints at which centroids and coupling are measured, or all."
    )
    grok_threshold: Fraction = Field(0.98, description="Test accuracy whose first checkpoint is the grok step.")
    gradient_batch: GradientBatchParams = GradientBatchParams()
    probes: ProbeParams = ProbeParams()
    response: ResponseParams = ResponseParams()
    random_directions: RandomDirectionParams = RandomDirectionParams()
    model: ModelParams = ModelParams()
    data: DataParams = DataParams()
    optimizer: OptimizerParams = OptimizerParams()
    stopping: StoppingParams = StoppingParams()
    runs: dict[str, RunParams] = Field(description="The runs, by name.", min_length=1)

    @classmethod
    def load(cls, path: Path = PARAMS_FILE) -> "Params":
        """Read and check ``path``.

        Raises
        ------
        ParamsError
            A value is refused; the message names each key, value and remedy.
        """
        return validated(cls, read_yaml(path), path)

    @field_validator("runs")
    @classmethod
    def _file_names(cls, runs: dict[str, RunParams]) -> dict[str, RunParams]:
        for name in runs:
            if not re.fullmatch(RUN_NAME, name):
                raise ValueError(f"run name {name!r} cannot be a file name; use letters, digits, - and _")
        return runs

    @model_validator(mode="after")
    def _rank_within_window(self) -> "Params":
        if self.rank > self.window:
            raise ValueError(
                f"rank = {self.rank} exceeds window = {self.window}; "
                f"choose rank ≤ {self.window} or window ≥ {self.rank}"
            )
        return self

    @model_validator(mode="after")
    def _window_within_runs(self) -> "Params":
        for name, run in self.runs.items():
            updates = run.max_steps // run.checkpoint_every
            if self.window > updates:
                raise ValueError(
                    f"window = {self.window} is longer than run {name} can have updates between checkpoints, "
                    f"{updates} (max_steps {run.max_steps} / checkpoint_every {run.checkpoint_every}); "
                    f"choose window ≤ {updates} or more checkpoints"
                )
        return self

    @model_validator(mode="after")
    def _enough_pairs(self) -> "Params":
        for name, run in self.runs.items():
            total = len(operands(run.ops, self.data.p)) ** 2
            train = int(self.data.train_fraction * total)
            if not 0 < train < total:
                raise ValueError(
                    f"data.train_fraction = {self.data.train_fraction} leaves run {name} {train} of {total} pairs "
                    "to train on; choose another fraction or a larger data.p"
                )
            available = {"all": total, "train": train, "test": total - train}[self.gradient_batch.pairs]
            for key, wanted, there in (
                ("probes.count", self.probes.count, total),
                ("gradient_batch.size", self.gradient_batch.size, available),
            ):
                if wanted > there:
                    raise ValueError(f"{key} = {wanted} exceeds the {there} pairs of run {name}; choose ≤ {there}")
        return self
