"""Planted frequencies in centroids and logits of a tiny run are found; losses against a slow restatement."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from sedlib.fourier import discrete_logarithms
from sedlib.grokking.readouts import frequencies
from sedlib.grokking.readouts.frequencies import centroid_frequencies, restricted_losses
from sedlib.grokking.setup.pairs import all_pairs, answers
from sedlib.grokking.study import Grokking
from sedlib.pipeline.centroids.centroid_file import centroids_schema
from sedlib.pipeline.parameters.row_params import GradientBatchParams, RowParams
from sedlib.pipeline.rows.checkpoints import RunCheckpoints
from sedlib.pipeline.rows.dumping import write_streams
from sedlib.pipeline.rows.networks import MeasuredNetworks
from tests.grokking.test_training import CPU, experiment, write

P = 13


def planted_centroids(path: Path) -> None:
    """Centroids of add with frequency 5 in a + b, of mul with frequency 2 in the logarithm of a·b."""
    settings = json.dumps({"count": len(all_pairs(["mul"], P)), "seed": 0, "centroid": "logit"})
    pairs = all_pairs(["mul"], P)
    random = np.random.default_rng(0)
    waves = {
        "add": (5 * (pairs[:, 0] + pairs[:, 1]) / P).numpy(),
        "mul": (2 * discrete_logarithms(P)[pairs].sum(1) / (P - 1)).numpy(),
    }
    with centroids_schema(Grokking(experiment()), 4).create(path, {"settings": settings}) as file:
        file["probes"], file["steps"] = pairs.numpy(), np.array([0, 25])
        for op, turns in waves.items():
            planted = 3 * np.cos(2 * math.pi * turns)[:, None] * random.standard_normal(4)
            noise = random.standard_normal((len(pairs), 4))
            file[f"centroids/{op}"] = np.stack([noise, planted + 0.01 * noise]).astype(np.float32)


def test_a_planted_frequency_of_the_centroids_is_found_in_its_basis(tmp_path: Path) -> None:
    planted_centroids(tmp_path / "c.h5")
    with centroids_schema(Grokking(experiment()), 4).open(tmp_path / "c.h5") as file:
        table = pd.DataFrame(centroid_frequencies(file, P))
    assert len(table) == 2 * 3 * 3  # steps, components, bases: additive for both, discrete-log for mul
    first = table[(table["step"] == 25) & (table["component"] == 1)].to_dict("records")
    found = {(row["op"], row["basis"]): (row["frequency"], row["r2"]) for row in first}
    assert found["add", "additive"] == pytest.approx((5, 1), abs=1e-3)
    assert found["mul", "discrete-log"] == pytest.approx((2, 1), abs=1e-3)
    assert found["mul", "additive"][1] < 0.5
    assert max(table["r2"][table["step"] == 0]) < 0.5


@pytest.fixture(scope="module")
def gradients_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "checkpoints.h5"
    write(path, experiment())
    params = RowParams(gradient_batch=GradientBatchParams(size=20), measured_checkpoints=2)
    with RunCheckpoints.open(path, Grokking(experiment()), CPU) as checkpoints:
        write_streams(path.with_name("gradients.h5"), checkpoints, params)
    return path.with_name("gradients.h5")


def test_restricted_and_excluded_losses_equal_a_slow_restatement(gradients_file: Path) -> None:
    with MeasuredNetworks.open(gradients_file, Grokking(experiment()), CPU) as networks:
        table = pd.DataFrame(restricted_losses(networks, experiment().data))
        pairs = all_pairs(["add", "mul"], 7)
        targets = answers(["add", "mul"], pairs, 7).numpy()
        network = networks.load(8)
        logits = network(networks.study.embedded(network, pairs)).detach().double().numpy()
        trained = {tuple(pair) for pair in networks.file["split/train"][:].tolist()}
    training = np.array([tuple(pair) in trained for pair in pairs.tolist()])

    def cross_entropy(values: np.ndarray, target: np.ndarray) -> float:
        shifted = values - values.max(1, keepdims=True)
        return float(np.mean(np.log(np.exp(shifted).sum(1)) - shifted[np.arange(len(target)), target]))

    for task, (op, n) in enumerate((("add", 7), ("mul", 6))):
        row = table[(table["op"] == op) & (table["step"] == 40)].iloc[0]
        elements = targets[task] if op == "add" else discrete_logarithms(7).numpy()[targets[task]]
        keys = [int(key) for key in row["key_frequencies"].split()]
        columns = [f(2 * np.pi * key * elements / n) for key in keys for f in (np.cos, np.sin)]
        design = np.stack([np.ones(len(pairs)), *columns], axis=1)
        fitted = design @ np.linalg.lstsq(design, logits[task], rcond=None)[0]
        rest = logits[task] - fitted + logits[task].mean(0)
        assert row["restricted_loss"] == pytest.approx(cross_entropy(fitted, targets[task]), rel=1e-4)
        assert row["excluded_loss"] == pytest.approx(cross_entropy(rest[training], targets[task][training]), rel=1e-4)
        assert row["loss"] == pytest.approx(cross_entropy(logits[task], targets[task]), rel=1e-4)


def test_a_planted_key_frequency_carries_the_loss(gradients_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = all_pairs(["add", "mul"], 7)
    classes = torch.arange(7)
    add = 2 * math.pi * 2 * (pairs.sum(1)[:, None] - classes) / 7
    logarithms = discrete_logarithms(7).clamp(min=0)
    mul = 2 * math.pi * (logarithms[pairs].sum(1)[:, None] - logarithms[classes]) / 6
    planted = torch.stack([9 * torch.cos(add), 9 * torch.cos(mul)])
    planted[1, :, 0] = -9  # no product is zero
    noise = torch.randn(planted.shape, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(frequencies, "_logits", lambda *_: planted + noise)
    with MeasuredNetworks.open(gradients_file, Grokking(experiment()), CPU) as networks:
        table = pd.DataFrame(restricted_losses(networks, experiment().data)).query("step == 40").set_index("op")
    assert table["key_frequencies"].to_dict() == {"add": "2", "mul": "1"}
    assert (table["key_share"] > 0.9).all()
    assert (table["excluded_loss"] > 1.5).all()
    assert (table["restricted_loss"] < table["loss"] + 0.05).all()
