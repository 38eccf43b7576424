"""Which files are checkpoints, and of which step each is."""

import re
from collections.abc import Iterable, Mapping, Sequence
from glob import glob
from pathlib import Path

from sedlib.base.border.kinds import wrong_kind
from sedlib.base.errors import listed

WEIGHTS = ("*.safetensors", "*.pt", "*.pth", "*.bin", "*.ckpt")
"""Of files, which hold weights."""
INSIDE_A_FOLDER = (
    "model.safetensors.index.json",
    "model.safetensors",
    "pytorch_model.bin.index.json",
    "pytorch_model.bin",
    "adapter_model.safetensors",
)
"""Of a folder that is one checkpoint, the file that holds its weights; the first there is."""
NAMED_STEP = re.compile(r"(?:step|iter|iteration|checkpoint|ckpt|global_step)s?[=_\-]?(\d+)", re.IGNORECASE)
NUMBER = re.compile(r"\d+")


def weights_at(place: Path) -> Path | None:
    """The file that holds the weights of a checkpoint: the file itself, or the one inside a folder; None if none."""
    if place.is_dir():
        return next((file for name in INSIDE_A_FOLDER if (file := place / name).is_file()), None)
    return place if place.is_file() else None


def found_in(source: str | Path | Iterable[str | Path]) -> list[Path]:
    """Checkpoints in a folder, by a glob or in a list: files of weights, or folders that each are one.

    Raises
    ------
    ValueError
        There is none, or one of a list is none.
    """
    several = isinstance(source, Iterable) and not isinstance(source, Mapping | str)
    if not isinstance(source, str | Path) and not several:
        raise wrong_kind("checkpoints", "a folder, a glob or a list of paths", source)
    if not isinstance(source, str | Path):
        source = list(source)
        if wrong := [place for place in source if not isinstance(place, str | Path)]:
            remedy = "a function may yield states" if isinstance(wrong[0], Mapping) else ""
            raise wrong_kind("checkpoints", "a folder, a glob or a list of paths", wrong[0], remedy)
        places = [Path(place) for place in source]
        if not places:
            raise ValueError("checkpoints: expected paths, got an empty list")
        if missing := [str(place) for place in places if weights_at(place) is None]:
            raise ValueError(f"checkpoints: no file of weights, and no folder with one: {listed(missing)}")
        return places
    places = _in_folder(Path(source)) if Path(source).is_dir() else [Path(name) for name in sorted(glob(str(source)))]  # noqa: PTH207 - absolute ones too
    if found := [place for place in places if weights_at(place) is not None]:
        return found
    raise ValueError(
        f"checkpoints: no {', '.join(WEIGHTS)} and no folder with {INSIDE_A_FOLDER[1]} or {INSIDE_A_FOLDER[3]} at "
        f"{str(source)!r} (seen from {Path.cwd()}); a glob such as 'runs/mine/*.pt' chooses among files"
    )


def _in_folder(folder: Path) -> list[Path]:
    if weights_at(folder) is not None:
        return [folder]
    inside = [place for place in sorted(folder.iterdir()) if place.is_dir() and weights_at(place) is not None]
    files = [file for pattern in WEIGHTS for file in sorted(folder.glob(pattern))]
    if inside and files:
        raise ValueError(
            f"checkpoints: {str(folder)!r} holds both files ({files[0].name}, …) and folders ({inside[0].name}, …); "
            "choose by a glob"
        )
    return inside or files


def steps_of(places: Sequence[Path]) -> list[int]:
    """The step in each name: after a word such as ``step`` or ``checkpoint``, or else its last number.

    Raises
    ------
    ValueError
        A name has no number, or two have the same.

    Examples
    --------
    >>> steps_of([Path("epoch=1-step=400.ckpt"), Path("checkpoint-500"), Path("run2_000600.pt")])
    [400, 500, 600]
    """
    steps = [_step(place) for place in places]
    if without := [place.name for place, step in zip(places, steps, strict=True) if step is None]:
        raise ValueError(
            f"checkpoints: no step in the names {listed(without)}; give steps=[…], in the order of the files"
        )
    known = [step for step in steps if step is not None]
    if twice := sorted({step for step in known if known.count(step) > 1}):
        same = [place.name for place, step in zip(places, known, strict=True) if step == twice[0]]
        raise ValueError(f"checkpoints: step {twice[0]:,} is in the names {listed(same)}; give steps=[…] or a glob")
    return known


def _step(place: Path) -> int | None:
    name = place.stem if place.is_file() else place.name
    if named := NAMED_STEP.findall(name):
        return int(named[-1])
    numbers = NUMBER.findall(name)
    return int(numbers[-1]) if numbers else None
