"""What a study.py inherits from: a network that learns to classify, trained by the loop here or found in files.

A study.py gives ``tasks``, ``build`` and ``data``; ``embedded`` and ``logits`` too, where the network has no ``embed``
and does not take embedded inputs. Everything else can be replaced, one method each.

Shapes: inputs are ``[examples, ...]``, targets ``[tasks, examples, ...]``: an answer to each example, or to each of its
positions. Logits of a task are ``[examples, ..., classes]``, with the axes of its targets.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sedlib.base.errors import UserError
from sedlib.base.randomness import generator
from sedlib.pipeline.input_format import InputFormat
from sedlib.pipeline.study import AdamW, Examples, Ladder, Study
from sedlib.studies.definition.data_files import data_files
from sedlib.studies.definition.run_settings import RunSettings, experiment_of
from sedlib.vectors import ParamLayout


@dataclass(frozen=True)
class OwnStudy(Study):
    """One run of an experiment of one's own."""

    run: str
    settings: RunSettings

    inputs: ClassVar[InputFormat] = InputFormat(("tokens",), "int64", "sequences of tokens")
    centroids: ClassVar[tuple[str, ...]] = ("logit", "full")

    # What a study.py gives.

    def build(self) -> nn.Module:
        """The network, drawn from PyTorch's own generator, which is seeded by the run."""
        raise UserError(
            "study.py: Study has no method build(self); add one that returns the network, a torch.nn.Module"
        )

    def data(self) -> tuple[Shaped[Tensor, "examples ..."], Shaped[Tensor, "tasks examples ..."]]:
        """Inputs and targets of all examples; the same ones at every call."""
        raise UserError(
            "study.py: Study has no method data(self); add one that returns (inputs [examples, ...], targets "
            "[tasks, examples, ...])"
        )

    def embedded(self, network: nn.Module, inputs: Tensor) -> Float[Tensor, "examples ..."]:
        """The embedded input: what the network's ``embed`` makes of an input."""
        return _method(network, "embed", "embedded(self, network, inputs)")(inputs)

    def logits(self, network: nn.Module, embedded: Tensor) -> Sequence[Float[Tensor, "examples ... classes"]] | Tensor:
        """Logits of each task, from embedded inputs: what the network gives, a tensor for each task."""
        return network(embedded)

    # What a study.py may replace.

    @property
    def model(self) -> dict[str, Any]:
        """The section ``model`` of params.yaml, with the run's own values."""
        return self.settings.model

    def slots(self, network: nn.Module) -> ParamLayout:
        """The attention slots."""
        return ParamLayout.attention(network)

    def optimizer(self, network: nn.Module) -> torch.optim.Optimizer:
        """AdamW or SGD, as ``training.optimizer`` says."""
        settings = self.settings.training
        if settings.optimizer == "sgd":
            return torch.optim.SGD(
                network.parameters(), settings.lr, settings.momentum, weight_decay=settings.weight_decay
            )
        return torch.optim.AdamW(network.parameters(), settings.lr, settings.betas, weight_decay=settings.weight_decay)

    def readouts(self, network: nn.Module, examples: Examples) -> dict[str, list[float]]:
        """Readouts of each task on some examples, by name: here the share of correct answers."""
        logits = self.logits(network, self.embedded(network, examples.inputs))
        pairs = zip(logits, examples.targets, strict=True)
        return {"accuracy": [float((found.argmax(-1) == wanted).float().mean()) for found, wanted in pairs]}

    # The protocol.

    @classmethod
    def of_run(cls, run: str) -> "OwnStudy":
        """The run that params.yaml describes under ``runs.<run>``; a stage that loads it refuses edits of its data."""
        settings = RunSettings.load(run)
        data_files(settings.checkpoints)
        return cls(run, settings)

    def to_json(self) -> str:
        """The run's settings."""
        return self.settings.model_dump_json()

    @property
    def labels(self) -> Mapping[str, Any]:
        """Its seed, and what it has in common with other seeds."""
        return {"seed": self.settings.seed, "experiment": experiment_of(self.run, self.settings)}

    @property
    def schedule(self) -> Sequence[int] | None:
        """Every ``checkpoint_every`` steps; unknown where the checkpoints are somebody's files."""
        training = self.settings.training
        return None if self.settings.checkpoints else range(0, training.steps + 1, training.checkpoint_every)

    def network(self) -> nn.Module:
        """The network as it is drawn from the run's seed."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.settings.seed)
            return self.build()

    def examples(self, pool: str) -> Examples:
        """All examples of ``data``, or those of one side of the split."""
        return self._pools[pool]

    @cached_property
    def _pools(self) -> dict[str, Examples]:
        everything, training = Examples(*self.data()), self.settings.training
        order = torch.arange(len(everything))
        if training.split == "shuffled":
            order = torch.randperm(len(everything), generator=generator(self.settings.seed, "split"))
        train, test = order.tensor_split([round(len(everything) * training.train_fraction)])
        return {"all": everything, "train": everything.chosen(train), "test": everything.chosen(test)}

    def example_losses(self, network: nn.Module, embedded: Tensor, targets: Tensor) -> Float[Tensor, "tasks examples"]:
        """Cross-entropy of each example, the mean over its positions."""
        pairs = zip(self.logits(network, embedded), targets, strict=True)
        return torch.stack([_example_loss(found, wanted) for found, wanted in pairs])

    def scores(
        self, network: nn.Module, embedded: Tensor, targets: Tensor, centroid: str
    ) -> Float[Tensor, "tasks examples"]:
        """Logit of the correct answer, or the sum of all logits; where there are positions, at the last of them."""
        pairs = zip(self.logits(network, embedded), targets, strict=True)
        return torch.stack([_score(found, wanted, centroid) for found, wanted in pairs])

    def ladder(self) -> Ladder | None:
        """The ladder of AdamW on the run's own batches; none under another optimizer, or of finished checkpoints."""
        settings = self.settings.training
        if self.settings.checkpoints or settings.optimizer != "adamw":
            return None
        betas = settings.betas
        return Ladder(AdamW(settings.lr, betas, settings.weight_decay, settings.clip_norm), self._batches_after)

    def _batches_after(self, steps: Sequence[int]) -> Iterator[Examples]:
        """The draws of training, repeated from the run's seed."""
        training = self.examples("train")
        return (training.chosen(self.batch_numbers(step)) for step in steps)

    def batch_numbers(self, step: int) -> Tensor:
        """Which training examples the step after ``step`` steps is made on."""
        drawn = generator(self.settings.seed, f"batches/{step}")
        return torch.randint(len(self.examples("train")), (self.settings.training.batch_size,), generator=drawn)


def _example_loss(logits: Tensor, targets: Tensor) -> Float[Tensor, " examples"]:
    losses = cross_entropy(logits.flatten(0, -2), targets.flatten(), reduction="none")
    return losses.view(targets.shape).flatten(1).mean(1) if targets.ndim > 1 else losses


def _score(logits: Tensor, targets: Tensor, centroid: str) -> Float[Tensor, " examples"]:
    while targets.ndim > 1:
        logits, targets = logits[:, -1], targets[:, -1]
    return logits.sum(-1) if centroid == "full" else logits.gather(1, targets[:, None])[:, 0]


def _method(network: nn.Module, name: str, instead: str) -> Any:
    found = getattr(network, name, None)
    if not callable(found):
        raise UserError(f"study.py: {type(network).__name__} has no method {name}; add it, or give Study a {instead}")
    return found
