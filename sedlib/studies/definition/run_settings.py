"""Settings of a study's runs: sections ``training``, ``model`` and ``runs`` of params.yaml. No torch."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from sedlib.base.edited import watched
from sedlib.pipeline.parameters.sections import PARAMS_FILE, ParamsError, Section, StageParams, some, validated
from sedlib.pipeline.parameters.value_types import Examples, Fraction, Rate, Scale, Seed, Steps, WeightDecay


class TrainingParams(Section):
    """How a run is trained."""

    steps: Steps = Field(1000, description="Optimizer steps of a run.")
    checkpoint_every: Steps = Field(20, description="Steps between checkpoints; the first is at step 0.")
    batch_size: Examples = Field(64, description="Training examples of a step, drawn with replacement.")
    train_fraction: Fraction = Field(0.5, description="Share of the examples that is trained on.")
    split: Literal["shuffled", "ordered"] = Field(
        "shuffled", description="shuffled by the run's seed, or ordered: the first examples are trained on."
    )
    evaluated: Examples = Field(512, description="Examples of each pool, at most, that readouts are taken on.")
    optimizer: Literal["adamw", "sgd"] = Field("adamw", description="adamw, or sgd with momentum.")
    lr: Rate = Field(0.001, description="Learning rate.")
    betas: tuple[Fraction, Fraction] = Field((0.9, 0.98), strict=False, description="β₁ and β₂ of AdamW.")
    momentum: float = Field(0.9, ge=0, lt=1, description="Momentum of SGD.")
    weight_decay: WeightDecay = Field(0.1, description="Weight decay on every parameter.")
    clip_norm: Scale = Field(1.0, description="Largest norm of the gradient of all parameters; longer ones are cut.")


class RunParams(Section):
    """One run: what it has otherwise than the sections ``training`` and ``model`` say."""

    seed: Seed = Field(0, description="Seed of the initial weights, the split and the batches.")
    training: dict[str, Any] = Field({}, description="Keys of training with the run's own values.")
    model: dict[str, Any] = Field({}, description="Keys of model with the run's own values.")
    checkpoints: str | None = Field(None, description="Folder or glob of finished checkpoints, in place of training.")


class RunSettings(Section):
    """All that determines a run, beside the code of study.py."""

    seed: Seed
    training: TrainingParams
    model: dict[str, Any]
    checkpoints: str | None

    @classmethod
    @watched
    def load(cls, run: str, path: Path = PARAMS_FILE) -> "RunSettings":
        """The settings of one run in ``path``.

        Raises
        ------
        ParamsError
            There is no such run, or a value is refused.
        """
        return StudyParams.load(path).chosen(run, path)


class StudyParams(StageParams):
    """What a study reads of params.yaml."""

    training: TrainingParams = TrainingParams()
    model: dict[str, Any] = Field({}, description="Whatever study.py builds its network and its examples from.")
    runs: dict[str, RunParams] = Field(description="Runs, by name; NAME-SEED are the seeds of one experiment.")

    def chosen(self, run: str, path: Path = PARAMS_FILE) -> RunSettings:
        """The settings of a run.

        Raises
        ------
        ParamsError
            There is no such run, or a value of its own is refused.
        """
        if run not in self.runs:
            raise ParamsError(f"{path}: no run {run!r} under 'runs'; there are: {some(self.runs)}")
        own = self.runs[run]
        training = {**self.training.model_dump(), **own.training}
        names = {key: f"{f'runs.{run}.' if key in own.training else ''}training.{key}" for key in training}
        merged = validated(TrainingParams, training, path, names)
        model = {**self.model, **own.model}
        return RunSettings(seed=own.seed, training=merged, model=model, checkpoints=own.checkpoints)


def experiment_of(run: str, settings: RunSettings) -> str:
    """What runs of one experiment share of their names: ``text-1`` with seed 1 is one of ``text``.

    >>> experiment_of("text-1", StudyParams(runs={"text-1": RunParams(seed=1)}).chosen("text-1"))
    'text'
    """
    return run.removesuffix(f"-{settings.seed}")
