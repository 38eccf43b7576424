"""The paper's network: PyTorch's own encoder in float64, and a restatement in NumPy; steps by their equations."""

from functools import cache

import numpy as np
import torch
from torch import Tensor

import sedlib.base.machine.replays as replays
import sedlib.grokking.network.evaluation as evaluation
import sedlib.grokking.network.losses as losses
import sedlib.grokking.network.model as model
import sedlib.grokking.training.stepping as stepping
from sedlib.centroids import centroids
from sedlib.gradients import task_gradients
from sedlib.grokking.setup.experiment import Experiment
from sedlib.scores import logit_scores
from sedlib.selftest.check import Pair, check
from sedlib.selftest.oracles import looped_gradient
from sedlib.selftest.plain_network import PlainNetwork, logits_without_torch, plain_steps
from sedlib.selftest.setting import Setting
from sedlib.selftest.tolerance import NETWORK, SUMMED, TRAINING
from sedlib.vectors import ParamLayout

EXPERIMENT = Experiment.model_validate(
    {"run": {"ops": ["add", "mul"], "seed": 1}, "model": {}, "data": {"p": 53}, "optimizer": {}, "stopping": {}}
)
"""Two operations in a network of the paper's width and depth; a CPU evaluates either half of the pairs in two parts."""
PAIRS, FEW = 256, 4
READ = ("train_accuracy", "test_accuracy", "train_loss", "test_loss", "weight_norm", "logit_scale")
STEPS = 5
"""On a GPU a step, or a function, is run three times, then recorded and replayed."""


@cache
def _data() -> evaluation.Data:
    return evaluation.Data.of(EXPERIMENT, torch.device("cpu"))


def _batch() -> tuple[Tensor, Tensor]:
    return _data().train_pairs[:PAIRS], _data().train_answers[:, :PAIRS]


def _networks(setting: Setting) -> tuple[model.GrokkingTransformer, PlainNetwork]:
    """With biases and norms that are not trivial, and layers that differ."""
    network = model.build_model(EXPERIMENT).double()
    with torch.no_grad():
        for seed, parameter in enumerate(network.parameters()):
            parameter.copy_(setting.rounded(parameter + 0.05 * setting.normal(*parameter.shape, seed=seed)))
    return network.to(setting.device, setting.dtype), PlainNetwork(network, EXPERIMENT)


def _cross_entropies(logits: np.ndarray, answers: Tensor) -> np.ndarray:
    """Of each pair: the negative logarithm of the right answer's share."""
    shares = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    return -np.log(np.take_along_axis(shares, answers.numpy()[..., None], axis=-1)[..., 0])


@check("model.GrokkingTransformer.forward", NETWORK)
def forward(setting: Setting) -> Pair:
    """A restatement in NumPy."""
    network, plain = _networks(setting)
    state = {name: value.numpy() for name, value in plain.state_dict().items()}
    pairs = _batch()[0]
    return (
        lambda: network(network.embed(pairs.to(setting.device))),
        lambda: logits_without_torch(state, EXPERIMENT.model.heads, pairs.numpy()),
    )


@check("model.GrokkingTransformer.logits", NETWORK)
def logits(setting: Setting) -> Pair:
    """PyTorch's own encoder."""
    network, plain = _networks(setting)
    pairs = _batch()[0]
    return lambda: network.logits(pairs.to(setting.device)), lambda: plain(pairs)


@check("replays.replayed_at", NETWORK)
def replayed_at(setting: Setting) -> Pair:
    """Centroids as the coupling stage takes them, which a GPU must record; a pass for each task in float64."""
    network, exact = _networks(setting)[0], _networks(Setting(torch.device("cpu"), torch.float64))[0]
    batches = _data().train_pairs[: STEPS * FEW].split(FEW)
    answers = _data().train_answers[:, :FEW]

    def scored(network: model.GrokkingTransformer, h: Tensor) -> Tensor:
        return logit_scores(network(h), answers.to(h.device))

    def found() -> list[Tensor]:
        embedded = [network.embed(pairs.to(setting.device)).detach() for pairs in batches]
        at = replays.replayed_at(
            lambda h: centroids(lambda h: scored(network, h), h, check=False).detach(), embedded[0]
        )
        measured = [at(h) for h in embedded]
        if isinstance(at, replays.ReplayedAt) and at.is_called:
            raise RuntimeError("the centroids of the paper's network could not be recorded as a graph")
        return measured

    def expected() -> list[Tensor]:
        embedded = [exact.embed(pairs).detach().requires_grad_() for pairs in batches]
        return [
            torch.stack([torch.autograd.grad(scored(exact, h)[task].sum(), h)[0].flatten(1) for task in range(2)])
            for h in embedded
        ]

    return found, expected


@check("losses.task_losses", NETWORK)
def task_losses(setting: Setting) -> Pair:
    """The mean of one cross-entropy after another."""
    network, plain = _networks(setting)
    pairs, answers = _batch()

    return (
        lambda: losses.task_losses(network, pairs.to(setting.device), answers.to(setting.device)),
        lambda: _cross_entropies(plain(pairs).detach().numpy(), answers).mean(-1),
    )


@check("losses.pair_losses", NETWORK)
def pair_losses(setting: Setting) -> Pair:
    """One cross-entropy after another."""
    logits, answers = setting.normal(2, PAIRS, EXPERIMENT.data.p), _batch()[1]
    return (
        lambda: losses.pair_losses(setting.on(logits), setting.on(answers)),
        lambda: _cross_entropies(logits.numpy(), answers),
    )


@check("losses.task_losses.backward", NETWORK)
def backward(setting: Setting) -> Pair:
    """Of each operation's loss, one parameter at a time."""
    network, plain = _networks(setting)
    pairs, answers = _batch()
    layout = ParamLayout.attention(network)

    def by_task(network: model.GrokkingTransformer) -> dict[str, Tensor]:
        of = losses.task_losses(network, pairs.to(setting.device), answers.to(setting.device))
        return dict(zip(EXPERIMENT.run.ops, of, strict=True))

    def found() -> dict[str, Tensor]:
        return task_gradients(by_task, network, layout)

    def expected() -> list[Tensor]:
        names = list(layout.names)
        return [
            looped_gradient(lambda task=task: plain.losses(pairs, answers)[task], plain, names)  # type: ignore[misc]
            for task in range(len(answers))
        ]

    return found, expected


@check("stepping.TrainingStep", TRAINING)
def training_step(setting: Setting) -> Pair:
    """Logits and moments after some steps, by the equations of AdamW."""
    batches = [setting.whole(len(_data().train_pairs), EXPERIMENT.optimizer.batch_size, seed=t) for t in range(STEPS)]
    pairs = _batch()[0]

    def found() -> list[Tensor]:
        network, _ = _networks(setting)
        slots, data = ParamLayout.attention(network), evaluation.Data.of(EXPERIMENT, setting.device)
        step = stepping.TrainingStep(network, data, EXPERIMENT, stepping.Intervention())
        for batch in batches:
            step(batch.to(setting.device))
        moments = [step.moment(name, slots) for name in ("exp_avg", "exp_avg_sq")]
        return [network.logits(pairs.to(setting.device)), *moments]

    def expected() -> list[Tensor]:
        network, plain = _networks(setting)
        slots, data = ParamLayout.attention(network), _data()
        drawn = [(data.train_pairs[batch], data.train_answers[:, batch]) for batch in batches]
        moments = plain_steps(plain, drawn, EXPERIMENT.optimizer)
        names = [name for name, _ in plain.named_parameters()]
        return [
            plain(pairs),
            *(slots.flatten(dict(zip(names, moment, strict=True))) for moment in moments.values()),
        ]

    return found, expected


@check("evaluation.evaluate", SUMMED)
def evaluate(setting: Setting) -> Pair:
    """Accuracies, losses, norm and scale of the logits, over all pairs."""
    network, plain = _networks(setting)
    data = evaluation.Data.of(EXPERIMENT, setting.device)

    def expected() -> list[np.ndarray]:
        own = _data()
        norm = float(torch.cat([parameter.detach().flatten() for parameter in plain.parameters()]).norm())
        train, test = (plain(pairs).detach().numpy() for pairs in (own.train_pairs, own.test_pairs))
        halves = [(train, own.train_answers), (test, own.test_answers)]
        right = [(logits.argmax(-1) == answers.numpy()).mean(-1) for logits, answers in halves]
        losses = [_cross_entropies(*half).mean(-1) for half in halves]
        scale = np.concatenate([train.var(-1), test.var(-1)], axis=1).mean(1) ** 0.5
        return [*right, *losses, np.full(len(scale), norm), scale]

    def found() -> list[np.ndarray]:
        readouts = evaluation.evaluate(network, data, EXPERIMENT.run.ops)
        return [np.array([getattr(of_task, name) for of_task in readouts]) for name in READ]

    return found, expected
