"""The whole of params.yaml: the single truth about every parameter, its meaning and its limits."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, model_validator

from sedlib.base.edited import watched
from sedlib.grokking.setup.analysis_sizes import curvature, intervention, measuring, single_step
from sedlib.grokking.setup.domain import modulus_problem, operands, train_size
from sedlib.grokking.setup.experiment import (
    DataParams,
    ModelParams,
    OptimizerParams,
    RunParams,
    StoppingParams,
)
from sedlib.grokking.setup.intervention_params import InterventionParams
from sedlib.grokking.setup.projection_params import longer_than_runs
from sedlib.grokking.setup.sizes import NetworkSizes, size_problem
from sedlib.pipeline.parameters.ablation_params import AXES, AnalysisParams
from sedlib.pipeline.parameters.coupling_params import RunCouplingParams
from sedlib.pipeline.parameters.geometry_params import FEWEST, GeometryParams, TrajectoryParams
from sedlib.pipeline.parameters.grok_params import GrokParams
from sedlib.pipeline.parameters.limits import CELLS, RUNS
from sedlib.pipeline.parameters.permuted_params import PermutedAnalysis, PermutedParams
from sedlib.pipeline.parameters.row_params import RowParams
from sedlib.pipeline.parameters.sections import MOST_PROBLEMS, PARAMS_FILE, Section, read_params, some, validated


class SingleStepParams(Section):
    """Bases from one checkpoint alone, at three phases of training."""

    runs: list[str] = Field([], max_length=RUNS.most, description="Runs whose per-example gradients are decomposed.")


class Params(AnalysisParams, RunCouplingParams, RowParams, GrokParams, TrajectoryParams, PermutedAnalysis):
    """All of params.yaml."""

    centroid: Literal["logit", "full"] = Field(
        "logit",
        description="Centroid: gradient of the correct answer's logit, or of the sum of all logits (full).",
    )
    single_step: SingleStepParams = SingleStepParams()
    interventions: InterventionParams = InterventionParams()
    model: ModelParams = ModelParams()
    data: DataParams = DataParams()
    optimizer: OptimizerParams = OptimizerParams()
    stopping: StoppingParams = StoppingParams()
    runs: dict[str, RunParams] = Field(description="The runs, by name.", min_length=1, max_length=RUNS.most)

    @classmethod
    @watched
    def load(cls, path: Path = PARAMS_FILE) -> "Params":
        """Read and check ``path``.

        Raises
        ------
        ParamsError
            A value is refused; the message names each key, value and remedy.
        """
        return validated(cls, read_params(path), path)

    @model_validator(mode="after")
    def _within_one_another(self) -> "Params":
        problems = [
            *self._windows(),
            *self._pairs(),
            *self._decay(),
            *self._modulus(),
            *self._geometry(),
            *self._listed_runs(),
            *self._repeated(),
            *self._equal_runs(),
            *self._coordinates(),
            *self._cells(),
            *filter(None, [longer_than_runs(self.interventions, self.stopping)]),
            *self._sizes(),
        ]
        problems = problems or list(self._ablation_values())
        if problems:
            raise ValueError("; and ".join(problems[:MOST_PROBLEMS]))
        return self

    def _windows(self) -> Iterator[str]:
        name, run = min(self.runs.items(), key=lambda item: item[1].most_checkpoints)
        updates = run.most_checkpoints - 1
        if self.window > updates:
            yield (
                f"window = {self.window} is longer than run {name} can have updates between checkpoints, "
                f"{updates} (max_steps {run.max_steps} / checkpoint_every {run.checkpoint_every}); "
                f"choose window ≤ {updates} or more checkpoints"
            )

    def _geometry(self) -> Iterator[str]:
        found = (geometry_problem(self.geometry, name, run) for name, run in self.runs.items())
        yield from [problem for problem in found if problem][:1]

    def _pairs(self) -> Iterator[str]:
        name, run = min(self.runs.items(), key=lambda item: len(operands(item[1].ops, self.data.p)))
        total = len(operands(run.ops, self.data.p)) ** 2
        train = train_size(total, self.data.train_fraction)
        if not 0 < train < total:
            yield (
                f"data.train_fraction = {self.data.train_fraction} leaves run {name} {train} of {total} pairs "
                "to train on; choose another fraction or a larger data.p"
            )
        available = {"all": total, "train": train, "test": total - train}[self.gradient_batch.pairs]
        for key, wanted, there in (
            ("probes.count", self.probes.count, total),
            ("gradient_batch.size", self.gradient_batch.size, available),
        ):
            if wanted > there:
                yield f"{key} = {wanted} exceeds the {there} pairs of run {name}; choose ≤ {there}"

    def _decay(self) -> Iterator[str]:
        own = {f"runs.{name}.weight_decay": run.weight_decay for name, run in self.runs.items()}
        for key, weight_decay in {"optimizer.weight_decay": self.optimizer.weight_decay, **own}.items():
            decayed = self.optimizer.lr * (weight_decay or 0)
            if decayed >= 1:
                yield (
                    f"optimizer.lr × {key} = {decayed:g} would erase the weights at every step; "
                    "choose a product below 1"
                )

    def _modulus(self) -> Iterator[str]:
        found = ((name, modulus_problem(run.ops, self.data.p)) for name, run in self.runs.items())
        yield from [f"run {name}: {problem}" for name, problem in found if problem][:1]

    def _listed_runs(self) -> Iterator[str]:
        for section, keys in (
            ("interventions", ("runs", "varied_runs")),
            ("ablation", ("runs",)),
            ("single_step", ("runs",)),
            ("permuted", ("runs",)),
        ):
            for key in keys:
                for name in getattr(getattr(self, section), key):
                    if name not in self.runs:
                        yield f"{section}.{key} names {name!r}, which is not a run; choose from {some(self.runs)}"

    def _repeated(self) -> Iterator[str]:
        for section, model in (("interventions", self.interventions), ("ablation", self.ablation)):
            for key, values in model:
                if isinstance(values, list) and len(set(values)) < len(values):
                    yield f"{section}.{key} has a value twice; name each once"

    def _equal_runs(self) -> Iterator[str]:
        """Equal runs have equal results, and would count as two seeds."""
        names: dict[str, str] = {}
        for name, run in self.runs.items():
            other = names.setdefault(run.model_dump_json(), name)
            if other != name:
                yield f"runs {other} and {name} are one run, of equal settings; take one out, or change its seed"

    def _coordinates(self) -> Iterator[str]:
        name, network = max(self._networks().items(), key=lambda item: item[1].parameters)
        is_attention = self.interventions.target == "attention"
        there = network.attention if is_attention else network.parameters
        for count in self.interventions.coordinates:
            if count > there:
                yield f"interventions.coordinates has {count:,}, but the target has {there:,} in {name}; choose less"

    def _cells(self) -> Iterator[str]:
        lists = self.interventions
        crossed = len(lists.runs) * (1 + len(lists.projections) * len(lists.conditions))
        varied = len(lists.varied_runs) * (len(lists.without_weight_decay) + len(lists.coordinates))
        values = sum(len(getattr(self.ablation, axis)) for axis in AXES)
        for key, count in {"interventions": crossed + varied, "ablation": len(self.ablation.runs) * values}.items():
            if count > CELLS.most:
                yield f"{key} asks for {count:,} of at most {CELLS.most:,} {CELLS.description}; shorten its lists"

    def _networks(self) -> dict[str, NetworkSizes]:
        size, p = self.model.model_dump(), self.data.p
        return {name: NetworkSizes(**size, p=p, tasks=len(run.ops)) for name, run in self.runs.items()}

    def _sizes(self) -> Iterator[str]:
        for name, network in self._networks().items():
            sizes = [
                *network.training(self.optimizer.batch_size),
                *measuring(network, self.runs[name].most_checkpoints, self),
                *curvature(network, self.geometry.curvature),
                *([single_step(network, self.gradient_batch.size)] if name in self.single_step.runs else []),
                intervention(network, self.interventions.window),
            ]
            if problem := size_problem(sizes):
                yield f"run {name}: {problem}"
                return

    def _ablation_values(self) -> Iterator[str]:
        if not self.ablation.runs:
            return
        ablated = self.model_copy(update={"runs": {name: self.runs[name] for name in self.ablation.runs}})
        listing_runs = {
            "interventions": InterventionParams(),
            "single_step": SingleStepParams(),
            "permuted": PermutedParams(),
        }
        ablated = ablated.model_copy(update=listing_runs)
        for axis in AXES:
            if not getattr(self.ablation, axis):
                yield f"ablation.{axis} is empty; give it at least one value, or leave ablation.runs empty"
            for value in getattr(self.ablation, axis):
                try:
                    ablated.varied(axis, value)
                except ValidationError as error:
                    yield f"ablation.{axis} has {value!r}, but {error.errors()[0]['msg'].removeprefix('Value error, ')}"


def geometry_problem(geometry: GeometryParams, name: str, run: RunParams) -> str | None:
    """Why the geometry does not fit the run ``name`` even if it trains to its last step; None where it does."""
    intervals, count = run.most_checkpoints - 1, run.most_checkpoints
    every, components = geometry.curvature.every, geometry.curvature.components
    if count < FEWEST:
        return (
            f"run {name} has at most {count} checkpoints (max_steps {run.max_steps} / checkpoint_every "
            f"{run.checkpoint_every}), and a trajectory needs {FEWEST}; choose a smaller checkpoint_every"
        )
    if (measurements := intervals // -(-every // run.checkpoint_every) + 1) < FEWEST:
        return (
            f"geometry.curvature.every = {every} leaves run {name} at most {measurements} measurements, and an onset "
            f"needs {FEWEST}; choose every ≤ {intervals // (FEWEST - 1) * run.checkpoint_every}"
        )
    if components > intervals:
        return (
            f"geometry.curvature.components = {components} exceeds the {intervals} that the {count} "
            f"checkpoints of run {name} can have; choose ≤ {intervals}"
        )
    return None
