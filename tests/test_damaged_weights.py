"""Damaged files of weights: each gives its own error with the file's name, or the values that were saved."""

import json
import random
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from sedlib.saved import torch_file
from sedlib.saved.saved_checkpoints import SavedCheckpoint
from sedlib.saved.weights_file import WeightsError

MODULE = nn.Linear(6, 5)
STATE = {name: torch.arange(1.0, value.numel() + 1).view(value.shape) for name, value in MODULE.state_dict().items()}


def torch_checkpoint(folder: Path, content: Any = STATE) -> SavedCheckpoint:
    torch.save(content, folder / "step-5.pt")
    return SavedCheckpoint(5, folder / "step-5.pt")


def flipped(file: Path, place: int) -> None:
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("name", STATE)
def test_a_flipped_bit_in_values_is_refused_by_file_and_member(name: str, tmp_path: Path) -> None:
    saved = torch_checkpoint(tmp_path)
    flipped(saved.place, saved.place.read_bytes().index(STATE[name].numpy().tobytes()) + 2)
    saved.require(MODULE)  # reads no values
    with pytest.raises(
        WeightsError, match=r"step-5.pt: 'step-5/data/\d' in it is damaged: .*CRC.*; copy the file again"
    ):
        saved.state(MODULE)


def test_a_flipped_bit_in_names_is_refused_before_they_are_used(tmp_path: Path) -> None:
    saved = torch_checkpoint(tmp_path)
    flipped(saved.place, saved.place.read_bytes().index(b"weight"))
    with pytest.raises(WeightsError, match=r"step-5.pt: 'step-5/data.pkl' in it is damaged: .*CRC"):
        saved.require(MODULE)


def test_values_are_read_once_and_in_blocks_for_their_checksums(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved, read = torch_checkpoint(tmp_path), []
    original = zipfile.ZipExtFile.read

    def counting(member: zipfile.ZipExtFile, n: int | None = -1) -> bytes:
        content = original(member, n)
        read.append((member.name, len(content)))
        return content

    monkeypatch.setattr(zipfile.ZipExtFile, "read", counting)
    monkeypatch.setattr(torch_file, "BLOCK", 16)
    saved.state(MODULE)
    assert max(size for _, size in read) == 16
    values = sum(size for name, size in read if name is not None and "/data/" in name)
    assert values == sum(value.nbytes for value in STATE.values())


def test_a_file_without_checksums_is_refused_with_what_made_it_so(tmp_path: Path) -> None:
    torch.serialization.set_crc32_options(False)
    try:
        saved = torch_checkpoint(tmp_path)
    finally:
        torch.serialization.set_crc32_options(True)
    with pytest.raises(WeightsError, match=r"set_crc32_options\(False\), load and save it again"):
        saved.require(MODULE)


def mutants(whole: bytes, number: int) -> Iterator[bytes]:
    """Cut files, flipped bits, and fields of zeros or ones; half of them in the directory at the end."""
    rng = random.Random(0)
    for _ in range(number):
        content = bytearray(whole)
        place = rng.randrange(rng.choice([0, len(whole) - 900]), len(whole))
        kind = rng.choice(["cut", "bit", "byte", "field"])
        if kind == "cut":
            del content[place:]
        elif kind == "bit":
            content[place] ^= 1 << rng.randrange(8)
        elif kind == "byte":
            content[place] = rng.randrange(256)
        else:
            content[place : place + 4] = rng.choice([b"\0\0\0\0", b"\xff\xff\xff\xff"])
        yield bytes(content)


def test_mutants_of_a_file_are_refused_by_name_or_give_what_was_saved(tmp_path: Path) -> None:
    saved = torch_checkpoint(tmp_path, {"model": STATE, "epoch": 3})
    refused = as_saved = 0
    for content in mutants(saved.place.read_bytes(), 1000):
        saved.place.write_bytes(content)
        try:
            found = saved.state(MODULE)
        except WeightsError as error:
            refused += str(error).startswith(f"{saved.place}: ")
        else:
            as_saved += all(torch.equal(found[name], value) for name, value in STATE.items())
    assert refused + as_saved == 1000
    assert min(refused, as_saved) > 100


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"model": STATE, "net": STATE}, "several networks, under 'model', 'net'; load the file yourself"),
        ({"model": {0: torch.ones(2)}}, "expected names of tensors, got 0"),
    ],
)
def test_a_dictionary_that_leaves_a_doubt_is_refused(content: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=message):
        torch_checkpoint(tmp_path, content).require(MODULE)


FILES = {"weight": "model-00001-of-00002.safetensors", "bias": "model-00002-of-00002.safetensors"}


def sharded(folder: Path, files: dict[str, str] = FILES, state: dict[str, Tensor] = STATE) -> SavedCheckpoint:
    for name, file in FILES.items():
        save_file({name: state[name]}, folder / file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": files}))
    return SavedCheckpoint(5, folder)


def rewritten(folder: Path, text: str) -> None:
    (folder / "model.safetensors.index.json").write_text(text)


SHARDS: list[tuple[Callable[[Path], Any], str]] = [
    (lambda at: (at / FILES["bias"]).unlink(), "shards are missing: 'model-00002"),
    (lambda at: save_file(STATE, at / FILES["bias"]), "'model-00002.*' holds 'weight', which the index does not"),
    (lambda at: save_file(STATE, at / "model-00003-of-00003.safetensors"), "other shards .* beside it: 'model-00003"),
    (lambda at: rewritten(at, json.dumps({"weight_map": FILES | {"more": FILES["bias"]}})), "'more' is not in 'model-"),
    (lambda at: rewritten(at, '{"weight_map": {"weight": "a", "weight": "b"}}'), "'weight' twice"),
    (lambda at: rewritten(at, '{"weight_map": {}}'), "weight_map holds no names of files"),
    (lambda at: rewritten(at, '{"weight_map": {"weight": 1}}'), "weight_map holds no names of files"),
    (lambda at: rewritten(at, "[" * 100_000), "expected an index with a weight_map, got RecursionError"),
    (lambda at: rewritten(at, "[]"), "expected an index with a weight_map, got TypeError"),
]


@pytest.mark.parametrize(("spoil", "message"), SHARDS)
def test_shards_that_contradict_their_index_are_refused(
    spoil: Callable[[Path], Any], message: str, tmp_path: Path
) -> None:
    saved = sharded(tmp_path)
    saved.require(MODULE)
    spoil(tmp_path)
    with pytest.raises(WeightsError, match=rf"model.safetensors.index.json: .*{message}"):
        saved.require(MODULE)


def test_of_shards_of_torch_each_is_checked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2))
    state, file = module.state_dict(), "pytorch_model-00001-of-00001.bin"
    torch.save(state, tmp_path / file)
    index = {"weight_map": dict.fromkeys(state, file)}
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    checked: list[bool] = []
    original = torch_file._require_checksums

    def counting(at: Path, *, values: bool) -> None:
        checked.append(values)
        original(at, values=values)

    monkeypatch.setattr(torch_file, "_require_checksums", counting)
    found = SavedCheckpoint(5, tmp_path).state(module)
    assert checked == [False, True]
    assert all(torch.equal(found[name], value) for name, value in state.items())
