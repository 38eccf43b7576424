"""The real Trainer with a GPT-2-shaped network: rows, saved folders, accumulated gradients, a training resumed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

import sedlib
from sedlib.base.errors import UserError

TEXTS = torch.randint(17, (24, 6), generator=torch.Generator().manual_seed(0))
DATA = [{"input_ids": text, "labels": text} for text in TEXTS]
SLOTS = ("*.attn.c_attn.weight", "*.mlp.*.weight")


def losses(network: nn.Module, tokens: Tensor) -> dict[str, tuple[Tensor, int]]:
    logits, targets = network(tokens).logits[:, :-1], tokens[:, 1:]
    halves = {"early": slice(0, 2), "late": slice(2, 5)}
    return {
        task: (cross_entropy(logits[:, part].flatten(0, 1), targets[:, part].flatten(), reduction="sum"), 1)
        for task, part in halves.items()
    }


def trained(
    folder: Path, steps: int, *callbacks: sedlib.RecorderCallback, resume: str | None = None
) -> dict[str, Tensor]:
    torch.manual_seed(0)
    network = GPT2LMHeadModel(GPT2Config(vocab_size=17, n_positions=6, n_embd=8, n_layer=2, n_head=2))
    arguments: dict[str, Any] = {"learning_rate": 0.01, "per_device_train_batch_size": 4, "save_steps": 2}
    arguments |= {"report_to": [], "disable_tqdm": True, "use_cpu": True, "logging_steps": 100, "max_steps": steps}
    settings = TrainingArguments(str(folder), gradient_accumulation_steps=2, lr_scheduler_type="constant", **arguments)
    trainer = Trainer(network, settings, train_dataset=DATA, callbacks=list(callbacks))
    trainer.train(resume_from_checkpoint=resume)
    return {name: value.clone() for name, value in network.state_dict().items()}


def callback(folder: Path) -> sedlib.RecorderCallback:
    return sedlib.RecorderCallback(
        folder,
        losses,
        slots=lambda network: sedlib.ParamLayout.select(network, *SLOTS),
        batches=[TEXTS[:10], TEXTS[10:]],
        every=2,
        with_ladder=True,
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "every, steps: expected one of the two"),
        ({"every": 0}, "every: expected a number of steps, got 0"),
        ({"every": 2.5}, "every: expected a whole number, got a float"),
        ({"every": 2, "dtype": "int8"}, "dtype: expected one of float32"),
        ({"every": 2, "on_restart": "Replace"}, "on_restart: expected one of compare, replace"),
        ({"every": 2, "batches": 5}, "batches: expected several of them, got an int .*; a list or a loader"),
        ({"every": 2, "states": 5}, "states: expected a folder, as a string or a Path, got an int"),
        ({"every": 2, "slots": 5}, "slots: expected a ParamLayout, or a function of the module that gives one, got an"),
        ({"every": 2, "evry": 2}, "options: expected some of batches, every, .*, got 'evry'"),
        ({"every": 2, "optimizer": 2}, "got 'optimizer'; with_ladder=True takes the optimizer of Trainer"),
        ({"every": 2, "losses": 2}, "losses: expected a function, got an int"),
        ({"every": 2, "losses": losses}, r"losses: expected a function of \(module\), got one of \(network, tokens\)"),
        ({"every": 2, "path": __file__}, r"path: expected a folder.*test_recorder_callback.py' is a file"),
    ],
)
@pytest.mark.usefixtures("production")
def test_options_are_refused_before_training(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    given = {"path": tmp_path / "rows", "losses": lambda network: losses(network, TEXTS), **options}
    with pytest.raises((UserError, ValueError), match=message):
        sedlib.RecorderCallback(**given)
    assert not (tmp_path / "rows").exists()


@pytest.mark.filterwarnings("ignore")  # of Trainer's own
def test_trainer_is_recorded_and_goes_on(tmp_path: Path) -> None:
    alone = trained(tmp_path / "alone", 6)
    recorded = trained(tmp_path / "run", 4, callback(tmp_path / "rows"))
    again = callback(tmp_path / "rows")
    recorded = trained(tmp_path / "run", 6, again, resume=str(tmp_path / "run/checkpoint-2"))
    assert all(torch.equal(recorded[name], alone[name]) for name in alone)
    assert again.recorder
    rows, every = again.recorder.rows, slice(None)
    assert rows.steps == [0, 2, 4, 6]
    saved = sedlib.Checkpoints(tmp_path / "run")
    assert saved.steps == [2, 4, 6]
    network = GPT2LMHeadModel(GPT2Config(vocab_size=17, n_positions=6, n_embd=8, n_layer=2, n_head=2))
    thetas = [rows.layout.flatten(checkpoint.state(network)) for checkpoint in saved]
    update = rows.stream("update")
    assert update.steps == [2, 4, 6]
    np.testing.assert_allclose(update[1:3, every], torch.stack(thetas).diff(dim=0), atol=1e-7)
    expected = sedlib.task_gradients(losses, network, rows.layout, batches=[TEXTS], state=saved[2].state(network))
    found = rows.stream("gradient/late")[3:4, every][0]
    np.testing.assert_allclose(found, expected["late"] / 2, rtol=1e-3, atol=1e-6)  # two batches of count 1
    assert rows.stream("ladder/step").steps == [2, 4, 6]
