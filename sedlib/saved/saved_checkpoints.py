"""Checkpoints of a training run, in the order of their steps, one in memory at a time."""

import operator
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sedlib.base.border.kinds import wrong_kind
from sedlib.base.errors import listed
from sedlib.models.tensors import places
from sedlib.saved.found import found_in, weights_at
from sedlib.saved.prefixes import renamed
from sedlib.saved.step_names import steps_of
from sedlib.saved.weights import opened
from sedlib.saved.weights_file import WeightsError, WeightsFile

States = Callable[[], Iterable[tuple[int, Mapping[str, Tensor]]]]
"""Yields steps and state dicts, ascending; it is called again for every pass over the run."""


@dataclass(frozen=True)
class SavedCheckpoint:
    """One checkpoint: where its weights are, and of which step."""

    step: int
    place: Path

    def state(self, module: nn.Module) -> dict[str, Tensor]:
        """The tensors that ``module`` needs, by its names; the file is closed again.

        Raises
        ------
        WeightsError
            The file is damaged, holds anything but tensors, lacks one, or has one in another shape.
        """
        with self._matched(module) as (tensors, pairs):
            return {short: tensors[name] for name, short in pairs.items()}

    def require(self, module: nn.Module) -> None:
        """Refuse what ``state`` would, but for values, which are not read nor compared with their checksums.

        Raises
        ------
        WeightsError
            As ``state`` does.

        Examples
        --------
        >>> import tempfile, torch
        >>> place = Path(tempfile.mkdtemp()) / "step-5.pt"
        >>> torch.save(nn.Linear(2, 1).state_dict(), place)
        >>> SavedCheckpoint(5, place).require(nn.Linear(3, 1))
        Traceback (most recent call last):
        sedlib.saved.weights_file.WeightsError: ...step-5.pt: 'weight': expected shape (1, 3), got (1, 2); is it of ...
        """
        with self._matched(module):
            pass

    @contextmanager
    def _matched(self, module: nn.Module) -> Iterator[tuple[WeightsFile, Mapping[str, str]]]:
        """Tensors of the open file, and the module's names of those that it needs."""
        file = weights_at(self.place)
        if file is None:
            raise WeightsError(self.place, "no file of weights any more")
        with opened(file) as tensors, _of(file):
            _require_more_than_adapters(tensors)
            pairs = renamed(list(tensors), _wanted(module, tensors))
            _require_shapes(tensors, pairs, module)
            yield tensors, pairs


class Checkpoints(Sequence[SavedCheckpoint]):
    """A run's checkpoints, one for each file of weights or folder, in any usual format.

    Formats: safetensors, also sharded; state dicts and trainers' dictionaries of ``torch.save``; folders of Hugging
    Face (``checkpoint-500``); checkpoints of Lightning. Steps come from the names, unless ``steps`` gives them.

    Parameters
    ----------
    source
        A folder, a glob, or a list of paths.
    steps
        In the order of the files as they are listed.

    Raises
    ------
    ValueError
        No checkpoint is found, or one twice; or names have no step, or one step twice; or there are more or fewer steps
        than files, or one of both has no order.

    Examples
    --------
    >>> import tempfile, torch
    >>> folder = Path(tempfile.mkdtemp())
    >>> for step in (0, 20, 100):
    ...     torch.save(nn.Linear(2, 1).state_dict(), folder / f"step-{step}.pt")
    >>> checkpoints = Checkpoints(folder)
    >>> [checkpoint.step for checkpoint in checkpoints], list(checkpoints[2].state(nn.Linear(2, 1)))
    ([0, 20, 100], ['weight', 'bias'])
    """

    def __init__(self, source: str | Path | Iterable[str | Path], steps: Sequence[int] | None = None) -> None:
        found = found_in(source)
        _require_each_once(found)
        if steps is not None:
            for name, several in (("checkpoints", source), ("steps", steps)):
                if isinstance(several, Set):  # a checkpoint would get the step of another one
                    raise wrong_kind(name, "a list, which has an order", several)
            if isinstance(steps, Mapping) or not hasattr(steps, "__len__"):
                raise wrong_kind("steps", "a list in the order of the files", steps)
            if len(steps) != len(found):
                raise ValueError(f"steps: expected one for each of {len(found):,} checkpoints, got {len(steps):,}")
        numbers = [whole_step(step) for step in steps] if steps is not None else steps_of(found)
        if len(set(numbers)) < len(numbers):
            raise ValueError(f"steps: expected different ones, got {numbers}")
        pairs = sorted(zip(numbers, found, strict=True))
        self._saved = [SavedCheckpoint(step, place) for step, place in pairs]

    @property
    def steps(self) -> list[int]:
        """The steps, ascending."""
        return [saved.step for saved in self._saved]

    def __len__(self) -> int:
        return len(self._saved)

    def __getitem__(self, index: Any) -> Any:
        return self._saved[index]

    def __iter__(self) -> Iterator[SavedCheckpoint]:
        return iter(self._saved)


def whole_step(step: object) -> int:
    """A step as a Python int, whatever its type.

    Raises
    ------
    ValueError
        It is no whole number of 0 or more.

    Examples
    --------
    >>> import torch
    >>> whole_step(torch.tensor(500))
    500
    """
    try:
        number = operator.index(step)  # type: ignore[arg-type]
    except TypeError:
        raise wrong_kind("steps", "whole numbers", step) from None
    if isinstance(step, bool) or (isinstance(step, Tensor) and step.dtype == torch.bool) or number < 0:
        raise ValueError(f"steps: expected whole numbers of 0 or more, got {step}")
    return number


def _require_each_once(places: Sequence[Path]) -> None:
    """Refuse one name twice, as nothing would move between the two; links of two names are two checkpoints."""
    counts = Counter(os.path.abspath(place) for place in places)  # noqa: PTH100 - resolve would follow links
    if twice := ["/".join(Path(place).parts[-2:]) for place, count in counts.items() if count > 1]:
        raise ValueError(f"checkpoints: expected each once, got {listed(twice)} again")


def _require_more_than_adapters(tensors: Mapping[str, Any]) -> None:
    if tensors and all(".lora_" in name for name in tensors):
        raise ValueError(
            f"holds LoRA adapters alone ({listed(list(tensors))}), not the weights that they are added to: give a "
            "function that loads each into the module and yields (step, module.state_dict())"
        )


def _wanted(module: nn.Module, tensors: Mapping[str, Any]) -> list[str]:
    """What the module must get: of tied weights those names that the file has, or the first."""
    by_tensor: dict[int, list[str]] = {}
    for name, value in module.state_dict(keep_vars=True).items():
        if isinstance(value, Tensor):
            by_tensor.setdefault(id(value), []).append(name)
    endings = tuple(tensors)
    return [
        next((name for name in names if any(end.endswith(name) or name.endswith(end) for end in endings)), names[0])
        for names in by_tensor.values()
    ]


def _require_shapes(tensors: WeightsFile, pairs: Mapping[str, str], module: nn.Module) -> None:
    """Refuse tensors of other shapes before a value is read."""
    held = places(module) | dict(module.state_dict(keep_vars=True))
    for name, short in pairs.items():
        if short in held and (found := tensors.shape(name)) != (expected := tuple(held[short].shape)):
            raise ValueError(f"{name!r}: expected shape {expected}, got {found}; is it of a network of another size?")


@contextmanager
def _of(file: Path) -> Iterator[None]:
    try:
        yield
    except WeightsError:
        raise
    except ValueError as error:
        raise WeightsError(file, str(error)) from error
