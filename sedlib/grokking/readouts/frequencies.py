"""Fourier readouts of a run: which frequencies its centroids, and its logits, are made of.

Shapes: pairs are ``[pairs, 2]``, logits of one operation ``[pairs, p]``.
"""

from collections.abc import Iterator
from typing import Any, cast

import h5py
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from sedlib.base.errors import located
from sedlib.base.finite import require_finite
from sedlib.base.progress import track
from sedlib.centroids import principal_components
from sedlib.fourier import (
    LEAST_VARIATION,
    characters,
    discrete_logarithms,
    explained,
    frequencies,
    pair_functions,
    part_in,
)
from sedlib.grokking.network.model import GrokkingTransformer
from sedlib.grokking.setup.experiment import DataParams
from sedlib.grokking.setup.operations import OPERATIONS
from sedlib.grokking.setup.pairs import all_pairs, answers
from sedlib.pipeline.rows.networks import MeasuredNetworks

COMPONENTS = 3
KEY_SHARE = 0.9
"""The key frequencies hold this share of the variance that all frequencies hold of the last checkpoint's logits."""
LOGITS_BATCH = 1024


def centroid_frequencies(centroids: h5py.File, p: int) -> Iterator[dict[str, Any]]:
    r"""Rows of a tidy table: :math:`R^2` and frequency of each centroid's top principal components.

    A component's scores over the probes (a, b) are explained by the functions of one frequency in a and b; the
    frequency that explains most is the dominant one. In the discrete-log basis a and b are replaced by their
    logarithms. ``r2_answer`` is the share that any function of the answer could explain, all its frequencies together.

    Raises
    ------
    UserError
        Probes are outside an operation's domain, or centroids vary in too few directions; the message names operation
        and step.
    """
    pairs = torch.from_numpy(centroids["probes"][:])
    for op, series in centroids["centroids"].items():
        with located(f"{centroids.filename}: probes of {op}"):
            targets = answers([op], pairs, p)[0]
            functions = _pair_functions(op, pairs, p)
        by_answer = F.one_hot(targets, p).double()
        for index, step in enumerate(centroids["steps"][:].tolist()):
            with located(f"{centroids.filename}: step {step:,}, {op}"):
                scores = principal_components(torch.from_numpy(series[index]), COMPONENTS)
                of_answer = explained(scores, by_answer)
                explaining = {
                    basis: torch.stack([explained(scores, some) for some in by_frequency])
                    for basis, by_frequency in functions.items()
                }
            for basis, shares in explaining.items():
                for component in range(scores.shape[1]):
                    best = int(shares[:, component].argmax())
                    yield {
                        "step": step,
                        "op": op,
                        "basis": basis,
                        "component": component + 1,
                        "r2": float(shares[best, component]),
                        "frequency": best + 1,
                        "r2_answer": float(of_answer[component]),
                    }


def _pair_functions(op: str, pairs: Int64[Tensor, "pairs 2"], p: int) -> dict[str, list[Float64[Tensor, "pairs 8"]]]:
    """The functions of each frequency, by the name of their basis."""
    bases = {"additive": (pairs, p)}
    if OPERATIONS[op].multiplicative:
        bases["discrete-log"] = (discrete_logarithms(p)[pairs], p - 1)
    return {
        basis: [pair_functions(elements, n, frequency) for frequency in frequencies(n)]
        for basis, (elements, n) in bases.items()
    }


def restricted_losses(networks: MeasuredNetworks, data: DataParams) -> Iterator[dict[str, Any]]:
    """Rows of a tidy table: losses with nothing but the key frequencies, and with everything but them.

    Logits over all pairs are split in the functions of the *answer* at the key frequencies (for mul, of its discrete
    logarithm), and the rest. ``restricted_loss`` is the cross-entropy over all pairs of their mean and the first part;
    ``excluded_loss`` that over the training pairs of their mean and the rest.

    Raises
    ------
    UserError
        The logits are not finite, or all equal; the message names step and operation.
    """
    ops, p = list(networks.study.tasks), data.p
    pairs = all_pairs(ops, p)
    targets = answers(ops, pairs, p)
    training = torch.isin(_index(pairs, p), _index(networks.study.examples("train").inputs, p))
    functions = {op: _answer_functions(op, targets[task], p) for task, op in enumerate(ops)}
    last = _logits(networks.load(networks.measured[-1]), pairs)
    keys = {}
    for task, op in enumerate(ops):
        with located(f"step {networks.steps[networks.measured[-1]]:,}, {op}"):
            keys[op] = _key_frequencies(last[task], functions[op])
    measured = networks.measured
    for index in track(measured, len(measured), "restricted loss", lambda index: f"step {networks.steps[index]:,}"):
        logits = _logits(networks.load(index), pairs)
        for task, op in enumerate(ops):
            with located(f"step {networks.steps[index]:,}, {op}"):
                variation = _variation(logits[task])
                part = part_in(logits[task], torch.cat([functions[op][key - 1] for key in keys[op]], dim=1))
            mean, target = logits[task].double().mean(0), targets[task]
            rest = logits[task] - part
            yield {
                "step": networks.steps[index],
                "op": op,
                "key_frequencies": " ".join(map(str, keys[op])),
                "key_share": float(part.square().sum() / variation),
                "loss": float(F.cross_entropy(logits[task].double(), target)),
                "restricted_loss": float(F.cross_entropy(mean + part, target)),
                "train_loss": float(F.cross_entropy(logits[task].double()[training], target[training])),
                "excluded_loss": float(F.cross_entropy(rest[training], target[training])),
            }


def _answer_functions(op: str, targets: Int64[Tensor, " pairs"], p: int) -> list[Float64[Tensor, "pairs 2"]]:
    """The characters of the answers at each frequency."""
    elements, n = (discrete_logarithms(p)[targets], p - 1) if OPERATIONS[op].multiplicative else (targets, p)
    return [characters(elements, n, frequency) for frequency in frequencies(n)]


def _key_frequencies(logits: Float[Tensor, "pairs p"], functions: list[Float64[Tensor, "pairs 2"]]) -> list[int]:
    """The fewest frequencies that hold ``KEY_SHARE`` of what all of them hold of the logits, ascending."""
    _variation(logits)
    held = torch.stack([part_in(logits, some).square().sum() for some in functions])
    shares, order = (held / held.sum()).sort(descending=True)
    count = int((shares.cumsum(0) < KEY_SHARE).sum()) + 1
    return sorted(int(index) + 1 for index in order[:count])


def _variation(logits: Float[Tensor, "pairs p"]) -> Float64[Tensor, ""]:
    """Sum of squares about the mean over the pairs."""
    require_finite(logits=logits)
    found = (logits.double() - logits.double().mean(0)).square().sum()
    if found.sqrt() <= LEAST_VARIATION * logits.double().norm():
        raise ValueError("the logits are the same for all pairs, and so have no frequencies")
    return found


@torch.no_grad()
def _logits(network: nn.Module, pairs: Int64[Tensor, "pairs 2"]) -> Float[Tensor, "tasks pairs p"]:
    model = cast("GrokkingTransformer", network)
    device = model.token.device
    return torch.cat([model.logits(some.to(device)).cpu() for some in pairs.split(LOGITS_BATCH)], dim=1)


def _index(pairs: Int64[Tensor, "pairs 2"], p: int) -> Int64[Tensor, " pairs"]:
    return pairs[:, 0] * p + pairs[:, 1]
