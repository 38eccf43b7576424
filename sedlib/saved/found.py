"""Which files and folders are checkpoints; one that should be and holds no weights is refused."""

from collections.abc import Iterable, Mapping, Sequence
from glob import glob
from pathlib import Path

from sedlib.base.border.kinds import wrong_kind
from sedlib.base.errors import listed
from sedlib.saved.step_names import counted, has_step_word

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
COPIES = ["model.safetensors", "pytorch_model.bin"]
"""The same weights twice, as folders of a hub have them: the first is read."""


def weights_at(place: Path) -> Path | None:
    """The file that holds the weights of a checkpoint: the file itself, or the one inside a folder; None if none.

    Raises
    ------
    ValueError
        A folder holds several, of which one must be old or a part.
    """
    if not place.is_dir():
        return place if place.is_file() else None
    inside = [name for name in INSIDE_A_FOLDER if (place / name).is_file()]
    if len(inside) > 1 and [name.removesuffix(".index.json") for name in inside] != COPIES:
        raise ValueError(
            f"checkpoints: expected weights once in {str(place)!r}, got {listed(inside)}; delete what is old, or give "
            "the file that is meant, in a list with steps=[…]"
        )
    return place / inside[0] if inside else None


def found_in(source: str | Path | Iterable[str | Path]) -> list[Path]:
    """Checkpoints in a folder, by a glob or in a list: files of weights, or folders that each are one.

    Raises
    ------
    ValueError
        There is none, or one that should be holds no weights, holds them twice, or could be two.
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
        _require_weights([place for place in places if weights_at(place) is None])
        return places
    if found := _in_folder(Path(source)) if Path(source).is_dir() else _by_glob(str(source)):
        return found
    raise ValueError(
        f"checkpoints: no {', '.join(WEIGHTS)} and no folder with {INSIDE_A_FOLDER[1]} or {INSIDE_A_FOLDER[3]} at "
        f"{str(source)!r} (seen from {Path.cwd()}); a glob such as 'runs/mine/*.pt' chooses among files"
    )


def _by_glob(pattern: str) -> list[Path]:
    places = [Path(name) for name in sorted(glob(pattern))]  # noqa: PTH207 - absolute ones too
    found = [place for place in places if weights_at(place) is not None]
    _require_weights(_broken(places, found))
    return found


def _in_folder(folder: Path) -> list[Path]:
    entries = [place for place in sorted(folder.iterdir()) if not place.name.startswith(".")]
    inside = [place for place in entries if place.is_dir() and weights_at(place) is not None]
    files = [place for pattern in WEIGHTS for place in entries if place.match(pattern) and place.is_file()]
    own = weights_at(folder)
    if own and (others := inside or [file for file in files if has_step_word(file)]):
        raise ValueError(
            f"checkpoints: {str(folder)!r} holds both weights of its own ({own.name}) and checkpoints "
            f"({others[0].name}, …); choose by a glob such as {str(folder / 'checkpoint-*')!r}, or give "
            "the folder itself in a list"
        )
    if own:
        return [folder]
    if inside and files:
        raise ValueError(
            f"checkpoints: {str(folder)!r} holds both files ({files[0].name}, …) and folders ({inside[0].name}, …); "
            "choose by a glob"
        )
    _require_weights(_broken(entries, inside or files))
    return inside or files


def _broken(entries: Sequence[Path], found: Sequence[Path]) -> list[Path]:
    """Folders and dead links without weights that are named as a file of weights, or have a step as those found do."""
    ways = {pair[0] for place in found if (pair := counted(place))}
    return [
        place
        for place in entries
        if weights_at(place) is None
        and (
            any(place.match(pattern) for pattern in WEIGHTS)
            or has_step_word(place)
            or ((pair := counted(place)) and pair[0] in ways)
        )
    ]


def _require_weights(empty: Sequence[Path]) -> None:
    if empty:
        names = listed(["/".join(place.parts[-2:]) for place in empty])
        raise ValueError(
            f"checkpoints: no file of weights, and no folder with one: {names}; delete what a stopped save left, or "
            "give the others in a list"
        )
