"""Accuracies, losses and scales of a network over all pairs of its run.

Shapes: logits are ``[tasks, pairs, p]``.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from sedlib.grokking.network.losses import pair_losses
from sedlib.grokking.network.model import GrokkingTransformer
from sedlib.grokking.setup.experiment import Experiment
from sedlib.grokking.setup.pairs import answers, split_pairs

EVALUATION_BATCH = 1024  # fits the cache: half the time of one batch of all pairs
EVALUATION_BATCH_ELSEWHERE = 16 * EVALUATION_BATCH  # on a GPU a batch takes as long as its kernels take to start


@dataclass(frozen=True)
class Data:
    """Training and test pairs of a run with their answers, on the device."""

    train_pairs: Int64[Tensor, "train 2"]
    train_answers: Int64[Tensor, "tasks train"]
    test_pairs: Int64[Tensor, "test 2"]
    test_answers: Int64[Tensor, "tasks test"]

    @classmethod
    def of(cls, experiment: Experiment, device: torch.device) -> "Data":
        """The run's split."""
        ops, p = experiment.run.ops, experiment.data.p
        train, test = split_pairs(ops, p, experiment.data.train_fraction, experiment.run.seed)
        return cls(*(part.to(device) for part in (train, answers(ops, train, p), test, answers(ops, test, p))))


@dataclass(frozen=True)
class Readouts:
    """What is read off the network at a checkpoint, for one operation."""

    op: str
    train_accuracy: float
    test_accuracy: float
    train_loss: float
    test_loss: float
    weight_norm: float
    """Euclidean norm of all parameters."""
    logit_scale: float
    """Standard deviation of a pair's logits over the answers, root mean square over all pairs."""


@torch.no_grad()
def evaluate(model: GrokkingTransformer, data: Data, ops: list[str]) -> list[Readouts]:
    """Readouts of every operation over all training and test pairs."""
    train_accuracy, train_loss, train_variance = _evaluate_split(model, data.train_pairs, data.train_answers)
    test_accuracy, test_loss, test_variance = _evaluate_split(model, data.test_pairs, data.test_answers)
    n_train, n_test = len(data.train_pairs), len(data.test_pairs)
    variance = (n_train * train_variance + n_test * test_variance) / (n_train + n_test)
    weight_norm = torch.stack([parameter.norm() for parameter in model.parameters()]).norm()
    return [
        Readouts(op, *(float(value) for value in values))
        for op, *values in zip(
            ops,
            train_accuracy,
            test_accuracy,
            train_loss,
            test_loss,
            weight_norm.expand(len(ops)),
            variance.sqrt(),
            strict=True,
        )
    ]


def _evaluate_split(
    model: GrokkingTransformer, pairs: Int64[Tensor, "pairs 2"], answers: Int64[Tensor, "tasks pairs"]
) -> tuple[Float[Tensor, " tasks"], Float[Tensor, " tasks"], Float[Tensor, " tasks"]]:
    """Accuracy, mean loss and mean variance of the logits of every operation."""
    sums = torch.zeros(3, len(answers), device=pairs.device)
    size = EVALUATION_BATCH if pairs.device.type == "cpu" else EVALUATION_BATCH_ELSEWHERE
    for some_pairs, some_answers in zip(pairs.split(size), answers.split(size, dim=1), strict=True):
        logits = model.logits(some_pairs)
        losses = pair_losses(logits, some_answers)
        correct = (logits.argmax(-1) == some_answers).float()
        variances = (logits - logits.mean(-1, keepdim=True)).square().mean(-1)  # a tenth of the time of var
        sums += torch.stack([correct, losses, variances]).sum(-1)
    accuracy, loss, variance = sums / len(pairs)
    return accuracy, loss, variance
