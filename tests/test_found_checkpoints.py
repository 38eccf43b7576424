"""What a folder or a glob holds: a checkpoint that a stopped save left without weights is refused, and doubles are."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from sedlib.saved.saved_checkpoints import Checkpoints


def weights(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save(nn.Linear(2, 1).state_dict(), file)
    return file


def folders(run: Path, steps: tuple[int, ...] = (0, 100, 300)) -> None:
    for step in steps:
        weights(run / f"checkpoint-{step}" / "pytorch_model.bin")


@pytest.mark.parametrize("source", ["", "*checkpoint-*", "*"])
@pytest.mark.parametrize("stopped", ["checkpoint-200", "tmp-checkpoint-200", "checkpoint-200.tmp-1"])
def test_a_folder_of_a_stopped_save_is_refused_by_name(stopped: str, source: str, tmp_path: Path) -> None:
    folders(tmp_path)
    (tmp_path / stopped).mkdir()
    (tmp_path / stopped / "optimizer.pt").touch()
    (tmp_path / stopped / "pytorch_model.bin.tmp").touch()
    with pytest.raises(ValueError, match=f"no file of weights, and no folder with one: '[^']*{stopped}'; delete"):
        Checkpoints(str(tmp_path / source))


@pytest.mark.parametrize("source", ["", "*"])
def test_folders_that_are_no_checkpoints_are_left_out(source: str, tmp_path: Path) -> None:
    folders(tmp_path)
    for other in ("logs", "runs", "version_0", "2024", ".checkpoint-200"):
        (tmp_path / other).mkdir()
    assert Checkpoints(str(tmp_path / source)).steps == [0, 100, 300]


@pytest.mark.parametrize("source", ["", "*", "*.pt"])
@pytest.mark.parametrize("broken", ["a dead link", "a folder"])
def test_a_file_of_weights_that_is_none_is_refused_by_name(broken: str, source: str, tmp_path: Path) -> None:
    weights(tmp_path / "step-1.pt")
    weights(tmp_path / "step-3.pt")
    (tmp_path / "step-2.pt").symlink_to("gone") if broken == "a dead link" else (tmp_path / "step-2.pt").mkdir()
    with pytest.raises(ValueError, match=r"no folder with one: '[^']*step-2.pt'"):
        Checkpoints(str(tmp_path / source))


def test_a_dead_link_alone_and_one_among_numbered_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone" / "final.pt").symlink_to("gone")
    with pytest.raises(ValueError, match=r"no folder with one: 'alone/final.pt'"):
        Checkpoints(tmp_path / "alone")
    weights(tmp_path / "run" / "100" / "pytorch_model.bin")
    (tmp_path / "run" / "200").symlink_to("gone")
    with pytest.raises(ValueError, match="no folder with one: 'run/200'"):
        Checkpoints(tmp_path / "run")


def test_a_final_model_beside_checkpoints_does_not_hide_them(tmp_path: Path) -> None:
    run = tmp_path / "hf2"
    folders(run)
    weights(run / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"hf2' holds both weights of its own \(pytorch_model.bin\) and checkpoints"):
        Checkpoints(run)
    assert Checkpoints(str(run / "checkpoint-*")).steps == [0, 100, 300]
    assert Checkpoints([run], steps=[400]).steps == [400]


def test_a_final_model_beside_files_of_steps_does_not_hide_them(tmp_path: Path) -> None:
    weights(tmp_path / "run2" / "step-1.pt")
    weights(tmp_path / "run2" / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"holds both .*\(step-1.pt, …\)"):
        Checkpoints(tmp_path / "run2")


def test_one_checkpoint_of_a_trainer_is_one_with_its_other_files(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint-100"
    for name in ("pytorch_model.bin", "optimizer.pt", "rng_state_0.pth", "rng_state_1.pth", "training_args.bin"):
        weights(folder / name)
    (folder / "global_step100").mkdir()  # DeepSpeed's
    assert [(saved.step, saved.place) for saved in Checkpoints(folder)] == [(100, folder)]


@pytest.mark.parametrize(
    "names",
    [
        ("model.safetensors.index.json", "model.safetensors"),
        ("pytorch_model.bin.index.json", "pytorch_model.bin"),
        ("pytorch_model.bin", "adapter_model.safetensors"),
    ],
)
def test_a_folder_with_weights_twice_is_refused(names: tuple[str, str], tmp_path: Path) -> None:
    for name in names:
        weights(tmp_path / "checkpoint-5" / name)
    message = f"expected weights once in '.*checkpoint-5', got '{names[0]}', '{names[1]}'"
    for source in (tmp_path, [tmp_path / "checkpoint-5"]):
        with pytest.raises(ValueError, match=message):
            Checkpoints(source)


def test_of_a_hub_s_two_formats_the_safetensors_are_read(tmp_path: Path) -> None:
    for name in ("model.safetensors", "pytorch_model.bin"):
        weights(tmp_path / "checkpoint-5" / name)
    assert Checkpoints(tmp_path).steps == [5]


def test_steps_and_files_without_an_order_and_a_file_twice_are_refused(tmp_path: Path, production: None) -> None:
    files = [tmp_path / f"{name}.pt" for name in "ab"]
    for file in files:
        torch.save(nn.Linear(2, 1).state_dict(), file)
    unordered: list[tuple[Any, Any, str]] = [
        (files, {30, 4}, "steps: expected a list, which has an order, got a set"),
        (set(files), [4, 30], "checkpoints: expected a list, which has an order, got a set"),
        (files, {4: "a", 30: "b"}, "steps: expected a list in the order of the files, got a dict"),
        (files, (step for step in (4, 30)), "steps: expected a list in the order of the files, got a generator"),
        ([files[0], tmp_path / "." / "a.pt"], [4, 30], "checkpoints: expected each once, got .*again"),
        (files, torch.tensor([False, True]), "steps: expected whole numbers of 0 or more, got"),
    ]
    for source, steps, message in unordered:
        with pytest.raises(ValueError, match=message):
            Checkpoints(source, steps=steps)
    assert Checkpoints(iter(files), steps=[30, 4]).steps == [4, 30]
