"""The step in the name of a checkpoint: one that leaves no doubt, or a refusal that names it."""

from pathlib import Path

import pytest

from sedlib.saved.step_names import steps_of


@pytest.mark.parametrize(
    ("names", "steps"),
    [
        ("epoch=3-step=300.ckpt epoch=0-step=100.ckpt", [300, 100]),
        ("epoch=0-step=5-val_loss=0.52.ckpt", [5]),
        ("checkpoint-500 checkpoint-1000", [500, 1000]),
        ("run2_step000600.pt run2_steps_20.pt", [600, 20]),
        ("global_step100 Global_Step20", [100, 20]),
        ("iteration-5-of-10.pt", [5]),
        ("epoch-3.pt epoch-12.pt", [3, 12]),
        ("w-7.h5 w-8.pt2", [7, 8]),
        ("0.pt 0010.pt", [0, 10]),
        ("model.ckpt-500", [500]),
    ],
)
def test_a_step_follows_a_step_word_or_is_the_only_number(names: str, steps: list[int]) -> None:
    assert steps_of([Path(name) for name in names.split()]) == steps


@pytest.mark.parametrize(
    "name",
    [
        *("epoch=0-val_loss=0.52.ckpt", "100-loss0.31.pt", "w-1-of-3.pt", "run2_000600.pt", "first.pt", "run.h5"),
        *(
            "step-1k.pt",
            "step-1e3.pt",
            "step-0.5.pt",
            "step-1.25",
            "step_1_000.pt",
            "step-1,000.pt",
            "step-1k-iter-3.pt",
        ),
        *("1k.pt", "1.5.pt", "w-1_000.pt", "warmup_steps=100-step=5.pt", "2024-01-05.pt", "step-５k.pt"),
    ],
)
def test_a_name_that_leaves_a_doubt_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"no step in the names '.*'; give steps=") as caught:
        steps_of([Path(name)])
    assert repr(name) in str(caught.value)


def test_digits_after_a_dot_are_no_extension_of_a_folder_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "step-1.5").mkdir()
    (tmp_path / "step-0.5").touch()
    with pytest.raises(ValueError, match=r"no step in the names 'step-1.5', 'step-0.5'"):
        steps_of([tmp_path / "step-1.5", tmp_path / "step-0.5"])


@pytest.mark.parametrize(
    "names",
    [
        ["step-100.pt", "run2_final.pt", "step-200.pt"],
        ["epoch-3.pt", "step-500.pt"],
        ["iter-3.pt", "step-500.pt"],
        ["100.pt", "best-2.pt"],
    ],
)
def test_names_that_count_in_different_ways_are_refused(names: list[str]) -> None:
    with pytest.raises(ValueError, match=f"count steps in one way, got '{names[0]}', '{names[1]}'; give steps="):
        steps_of([Path(name) for name in names])
