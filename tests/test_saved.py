"""Checkpoints as people save them: every usual format, prefixes, ties, and files that must not be believed."""

import argparse
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from sedlib.models.checkpoint import Checkpoint
from sedlib.saved.saved_checkpoints import Checkpoints
from sedlib.saved.step_names import steps_of
from sedlib.saved.weights_file import WeightsError
from sedlib.vectors import ParamLayout


class Tied(nn.Module):
    """An embedding tied to the head, a body, a mask that is not persistent."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(5, 4)
        self.body = nn.Linear(4, 4)
        self.head = nn.Linear(4, 5, bias=False)
        self.head.weight = self.embed.weight
        self.register_buffer("mask", torch.ones(3), persistent=False)


MODULE = Tied()
LAYOUT = ParamLayout.select(MODULE, "body.weight")


def weights(scale: float = 2.0) -> dict[str, Tensor]:
    """A state dict of another step."""
    with torch.no_grad():
        return {name: scale * value.clone() for name, value in MODULE.state_dict().items()}


def once(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in state.items() if name != "head.weight"}


def prefixed(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: value for name, value in state.items()}


def safetensors(path: Path, state: dict[str, Tensor]) -> Path:
    save_file(state, path)
    return path


def torch_file(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


def hugging_face(folder: Path, state: dict[str, Tensor], shards: int = 1) -> Path:
    folder.mkdir()
    if shards == 1:
        save_file(state, folder / "model.safetensors")
        return folder
    files = {name: f"model-{number % shards + 1:05}-of-{shards:05}.safetensors" for number, name in enumerate(state)}
    for file in set(files.values()):
        save_file({name: value for name, value in state.items() if files[name] == file}, folder / file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": files}))
    return folder


GOOD: dict[str, Callable[[Path], Path]] = {
    "safetensors": lambda at: safetensors(at / "step_40.safetensors", once(weights())),
    "state dict": lambda at: torch_file(at / "step_40.pt", weights()),
    "trainer's dictionary": lambda at: torch_file(at / "40.pth", {"model": weights(), "epoch": 3, "optimizer": {}}),
    "Lightning": lambda at: torch_file(
        at / "epoch=1-step=40.ckpt",
        {"state_dict": prefixed("model.", weights()) | {"metric.total": torch.ones(1)}, "loops": {}, "epoch": 1},
    ),
    "DataParallel": lambda at: torch_file(at / "step40.pt", prefixed("module.", weights())),
    "compiled, distributed": lambda at: torch_file(at / "ckpt-40.pt", prefixed("module._orig_mod.", weights())),
    "Hugging Face": lambda at: hugging_face(at / "checkpoint-40", once(weights())),
    "Hugging Face, sharded": lambda at: hugging_face(at / "checkpoint-40", once(weights()), shards=2),
    "Hugging Face, of before": lambda at: torch_file(at / "checkpoint-40" / "pytorch_model.bin", weights()),
    "the head's name of a tied weight": lambda at: safetensors(
        at / "step-40.safetensors", {name: value for name, value in weights().items() if name != "embed.weight"}
    ),
    "with a mask that was persistent once": lambda at: torch_file(at / "40.pt", weights() | {"mask": torch.ones(3)}),
}


@pytest.mark.parametrize("kind", GOOD)
def test_every_usual_format_is_read(kind: str, tmp_path: Path) -> None:
    (tmp_path / "checkpoint-40").mkdir() if kind.endswith("of before") else None
    GOOD[kind](tmp_path)
    (saved,) = Checkpoints(tmp_path)
    assert saved.step == 40
    checkpoint = Checkpoint(MODULE, LAYOUT, saved.state(MODULE))
    torch.testing.assert_close(checkpoint.theta, 2 * MODULE.body.weight.detach().flatten())
    moved = checkpoint.at(lambda module: module.head.weight)()
    torch.testing.assert_close(moved, 2 * MODULE.embed.weight)


def test_a_wrapped_module_reads_files_of_the_bare_one(tmp_path: Path) -> None:
    torch.save(weights(), tmp_path / "step1.pt")
    wrapped = nn.DataParallel(MODULE)
    state = Checkpoints(tmp_path)[0].state(wrapped)
    assert set(state) == {f"module.{name}" for name in weights()}


def bomb(path: Path) -> Path:
    """A state dict packed again with compression: a megabyte of zeros in a kilobyte."""
    torch.save(weights() | {"body.weight": torch.zeros(512, 512)}, path.with_suffix(".plain"))
    with (
        zipfile.ZipFile(path.with_suffix(".plain")) as plain,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for entry in plain.infolist():
            packed.writestr(entry.filename, plain.read(entry))
    path.with_suffix(".plain").unlink()
    return path


def cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-200])
    return path


class Evil:
    def __reduce__(self) -> Any:
        return print, ("code of a stranger ran",)


def header(path: Path, fields: dict[str, Any]) -> Path:
    text = json.dumps(fields).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    return path


def outside(at: Path) -> Path:
    folder = hugging_face(at / "checkpoint-40", once(weights()), shards=2)
    index = folder / "model.safetensors.index.json"
    index.write_text(index.read_text().replace("model-00001-of", "../model-00001-of"))
    return folder


HUGE = {"body.weight": {"dtype": "F32", "shape": [10**6, 10**6], "data_offsets": [0, 4 * 10**12]}}
BAD: list[tuple[Callable[[Path], Path], str]] = [
    (lambda at: torch_file(at / "step40.pt", {"model": weights(), "args": argparse.Namespace()}), "Namespace"),
    (lambda at: torch_file(at / "step40.pt", Evil()), "holds more than tensors: .*print"),
    (lambda at: torch_file(at / "step40.pt", [1, 2]), "expected a state dict, got list"),
    (lambda at: torch_file(at / "step40.pt", {"epoch": 3}), "no weights under state_dict, .* the file holds 'epoch'"),
    (lambda at: bomb(at / "step40.pt"), "torch.save does not compress"),
    (lambda at: cut(torch_file(at / "step40.pt", weights())), "no zip file as torch.save writes it"),
    (lambda at: cut(safetensors(at / "step40.safetensors", once(weights()))), "no whole safetensors file"),
    (lambda at: header(at / "step40.safetensors", HUGE), "no whole safetensors file"),
    (
        lambda at: torch_file(at / "step40.pt", weights() | {"body.weight": torch.ones(9, 4)}),
        r"expected shape \(4, 4\), got \(9",
    ),
    (
        lambda at: torch_file(at / "step40.pt", weights() | {"body.weight": torch.zeros(1).expand(10**6, 10**6)}),
        r"expected shape \(4, 4\), got \(1000000",
    ),
    (
        lambda at: torch_file(at / "step40.pt", {"base_model.body.lora_A.weight": torch.ones(2, 4)}),
        r"step40.pt: holds LoRA adapters alone \('base_model.body.lora_A.weight'\).* give a function",
    ),
    (
        lambda at: torch_file(at / "step40.pt", {"body.weight": torch.ones(4, 4)}),
        "2 of 3 tensors are missing, under every",
    ),
    (
        lambda at: torch_file(at / "step40.pt", prefixed("model.", weights()) | prefixed("ema.", weights(3.0))),
        "several sets of names fit the module",
    ),
    (outside, "shards must lie beside the index"),
]


@pytest.mark.parametrize(("make", "message"), BAD)
def test_a_file_that_cannot_be_believed_is_refused_by_name(
    make: Callable[[Path], Path], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path)
    (saved,) = Checkpoints(tmp_path)
    with pytest.raises(WeightsError, match=message) as caught:
        saved.state(MODULE)
    assert "40" in str(caught.value)
    assert len(str(caught.value)) < 500
    assert "stranger" not in capsys.readouterr().out


def test_a_deeper_network_is_not_cut_to_the_module(tmp_path: Path) -> None:
    torch.save(weights() | {"body2.weight": torch.ones(4, 4)}, tmp_path / "step40.pt")
    state = Checkpoints(tmp_path)[0].state(MODULE)
    with pytest.raises(ValueError, match=r"1 of its tensors Tied does not have: 'body2.weight'"):
        Checkpoint(MODULE, LAYOUT, state)


def test_steps_come_from_names_or_are_given_and_order_the_run(tmp_path: Path) -> None:
    for step in (1000, 20, 300):
        torch.save(weights(), tmp_path / f"run2_step{step}.pt")
    assert Checkpoints(tmp_path).steps == [20, 300, 1000]
    assert Checkpoints(str(tmp_path / "*step?0.pt")).steps == [20]
    listed = [tmp_path / f"run2_step{step}.pt" for step in (300, 20)]
    assert [saved.place for saved in Checkpoints(listed, steps=[1, 2])] == listed


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["first.pt", "step3.pt"], "no step in the names 'first.pt'; give steps="),
        (["a-3.pt", "b-3.pt"], "step 3 is in the names 'a-3.pt', 'b-3.pt'"),
    ],
)
def test_names_without_one_step_each_are_refused(names: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        steps_of([Path(name) for name in names])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{}/nothing", "no .*safetensors.* at"),
        ("{}/*.pt", "seen from"),
        ([], "empty list"),
        (["{}/missing.pt"], "no file of weights"),
    ],
)
def test_where_there_is_no_checkpoint_the_message_says_what_was_looked_for(
    source: Any, message: str, tmp_path: Path
) -> None:
    at = str(tmp_path)
    with pytest.raises(ValueError, match=message):
        Checkpoints(source.format(at) if isinstance(source, str) else [name.format(at) for name in source])


def test_a_pickle_of_its_own_is_refused(tmp_path: Path) -> None:
    (tmp_path / "step40.bin").write_bytes(pickle.dumps({"body.weight": 1}))
    with pytest.raises(WeightsError, match="no zip file"):
        Checkpoints(tmp_path)[0].state(MODULE)
