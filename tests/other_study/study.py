"""A second study: a perceptron that learns to sort vectors into classes, and to predict a number from them.

Shapes: inputs are ``[examples, 4]``, targets ``[tasks, examples]``, embedded inputs ``[examples, d]``.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from sedlib.base.randomness import generator
from sedlib.pipeline.input_format import InputFormat
from sedlib.pipeline.study import Examples, Study
from sedlib.vectors import ParamLayout
from tests.other_study.network import Perceptron
from tests.other_study.settings import RunParams, Runs

POOLS = {"all": slice(None), "train": slice(48), "test": slice(48, None)}


@dataclass(frozen=True)
class Perceptrons(Study):
    """One run of it."""

    settings: RunParams

    inputs: ClassVar[InputFormat] = InputFormat(("features",), "float32", "vectors of four features")
    centroids: ClassVar[tuple[str, ...]] = ("score",)
    tasks: ClassVar[tuple[str, ...]] = ("class", "value")

    @classmethod
    def of_run(cls, run: str) -> "Perceptrons":
        """The run that params.yaml describes."""
        return cls(Runs.load().chosen(run))

    def to_json(self) -> str:
        """Its settings."""
        return self.settings.model_dump_json()

    @property
    def labels(self) -> dict[str, int]:
        """Its seed."""
        return {"seed": self.settings.seed}

    def network(self) -> Perceptron:
        """The perceptron as it is drawn."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.settings.seed)
            return Perceptron()

    def slots(self, network: nn.Module) -> ParamLayout:
        """The hidden layers' weights."""
        return ParamLayout.select(network, "hidden.*.weight")

    def examples(self, pool: str) -> Examples:
        """64 vectors, of which 48 are trained on; the class is the largest of the first three features."""
        inputs = torch.randn(64, 4, generator=generator(self.settings.seed, "inputs"))
        targets = torch.stack([inputs[:, :3].argmax(1).float(), inputs[:, 0].sin() * inputs[:, 3]])
        return Examples(inputs, targets).chosen(torch.arange(64)[POOLS[pool]])

    def embedded(self, network: nn.Module, inputs: Tensor) -> Float[Tensor, "examples d"]:
        """What a learned linear map makes of the vectors."""
        return network.get_submodule("embed")(inputs)

    def example_losses(self, network: nn.Module, embedded: Tensor, targets: Tensor) -> Float[Tensor, "tasks examples"]:
        """The two tasks' losses."""
        logits, value = network(embedded)
        losses = (
            cross_entropy(logits, targets[0].long(), reduction="none"),
            mse_loss(value, targets[1], reduction="none"),
        )
        return torch.stack(losses)

    def scores(
        self, network: nn.Module, embedded: Tensor, targets: Tensor, centroid: str
    ) -> Float[Tensor, "tasks examples"]:
        """The correct class's logit; of the number, which has none, the output itself."""
        logits, value = network(embedded)
        return torch.stack([logits.gather(1, targets[0].long()[:, None])[:, 0], value])
