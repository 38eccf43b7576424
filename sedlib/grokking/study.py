"""The paper's study: a Transformer that learns operations modulo p, each through a head of its own.

Shapes: inputs are pairs ``[pairs, 2]``, targets the answers ``[tasks, pairs]``, embedded inputs ``[pairs, tokens, d]``.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sedlib.base.described.table_schema import TableSchema
from sedlib.base.randomness import generator
from sedlib.blocks import blocks
from sedlib.grokking.network.losses import pair_losses, task_losses
from sedlib.grokking.network.model import GrokkingTransformer, build_model
from sedlib.grokking.setup.experiment import Experiment
from sedlib.grokking.setup.pairs import PAIRS, all_pairs, answers, split_pairs
from sedlib.pipeline.input_format import InputFormat
from sedlib.pipeline.study import AdamW, Examples, Ladder, Study
from sedlib.scores import full_scores, logit_scores
from sedlib.terms.tables.fourier_tables import FOURIER, RESTRICTED_LOSS
from sedlib.vectors import ParamLayout


@dataclass(frozen=True)
class Grokking(Study):
    """One run of the paper."""

    experiment: Experiment

    inputs: ClassVar[InputFormat] = PAIRS
    centroids: ClassVar[tuple[str, ...]] = ("logit", "full")
    tables: ClassVar[tuple[TableSchema, ...]] = (FOURIER, RESTRICTED_LOSS)

    @classmethod
    def of_run(cls, run: str) -> "Grokking":
        """The run that params.yaml describes under ``runs.<run>``."""
        return cls(Experiment.load(run))

    def to_json(self) -> str:
        """All parameters that determine the run."""
        return self.experiment.model_dump_json()

    @property
    def tasks(self) -> Sequence[str]:
        """The operations."""
        return self.experiment.run.ops

    @property
    def labels(self) -> dict[str, Any]:
        """The run's seed, and its own weight decay if it has one."""
        return {"seed": self.experiment.run.seed, "weight_decay": self.experiment.run.weight_decay}

    @property
    def schedule(self) -> range:
        """Every ``checkpoint_every`` steps, as long as it may take."""
        run = self.experiment.run
        return range(0, run.max_steps + 1, run.checkpoint_every)

    def network(self) -> GrokkingTransformer:
        """The Transformer as it is drawn."""
        return build_model(self.experiment)

    def slots(self, network: nn.Module) -> ParamLayout:
        """The attention slots."""
        return ParamLayout.attention(network)

    def matrices(self, network: nn.Module) -> dict[str, slice]:
        """W_Q, W_K, W_V and W_O of each layer, by names such as ``layer 0 W_Q``."""
        layout, parts = ParamLayout.select(network, "*"), {"*.in_proj_weight": ("W_Q", "W_K", "W_V")}
        found = blocks(layout, self.slots(network).names, parts)
        return {_matrix_name(parameter): block for parameter, block in found.items()}

    def examples(self, pool: str) -> Examples:
        """All pairs, or those of one side of the run's split."""
        data = self.experiment.data
        train, test = split_pairs(self.tasks, data.p, data.train_fraction, self.experiment.run.seed)
        pairs = {"all": all_pairs(self.tasks, data.p), "train": train, "test": test}[pool]
        return Examples(pairs, answers(self.tasks, pairs, data.p))

    def losses(self, network: nn.Module, examples: Examples) -> Float[Tensor, " tasks"]:
        """Mean cross-entropy of every operation."""
        return task_losses(cast("GrokkingTransformer", network), examples.inputs, examples.targets)

    def embedded(self, network: nn.Module, inputs: Tensor) -> Float[Tensor, "pairs tokens d"]:
        """Token plus position."""
        return cast("GrokkingTransformer", network).embed(inputs)

    def example_losses(self, network: nn.Module, embedded: Tensor, targets: Tensor) -> Float[Tensor, "tasks pairs"]:
        """Cross-entropy of each pair."""
        return pair_losses(network(embedded), targets)

    def scores(
        self, network: nn.Module, embedded: Tensor, targets: Tensor, centroid: str
    ) -> Float[Tensor, "tasks pairs"]:
        """Logit of the correct answer, or the sum of all logits."""
        logits = network(embedded)
        return full_scores(logits) if centroid == "full" else logit_scores(logits, targets)

    def ladder(self) -> Ladder:
        """The ladder of AdamW on the run's own batches."""
        settings = self.experiment.optimizer
        beta1, beta2 = settings.betas
        optimizer = AdamW(settings.lr, (beta1, beta2), settings.weight_decay, settings.clip_norm)
        return Ladder(optimizer, self._batches_after)

    def _batches_after(self, steps: Sequence[int]) -> Iterator[Examples]:
        """The draws of training, repeated from the run's seed: nothing has to be recorded for them."""
        training, size = self.examples("train"), self.experiment.optimizer.batch_size
        batches = generator(self.experiment.run.seed, "batches")
        drawn = 0
        for step in steps:
            while drawn <= step:
                numbers = torch.randint(len(training), (size,), generator=batches)
                drawn += 1
            yield training.chosen(numbers)


def _matrix_name(parameter: str) -> str:
    """Name of the matrix ``encoder.layers.0.self_attn.in_proj_weight.W_Q``, or of ``….out_proj.weight``."""
    (layer,) = re.findall(r"layers\.(\d+)\.", parameter)
    last = parameter.rpartition(".")[2]
    return f"layer {layer} {'W_O' if last == 'weight' else last}"
