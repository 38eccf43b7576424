"""The states of a run, however they are given: files that are found, or a function that yields them."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping

import torch
from torch import Tensor, nn

from sedlib.base.border.kinds import wrong_kind
from sedlib.base.errors import UserError
from sedlib.saved.saved_checkpoints import Checkpoints, whole_step

States = Callable[[], Iterable[tuple[int, Mapping[str, Tensor]]]]
"""Yields each step with its state dict, ascending; it is called again for each pass over the run."""


class RunStates:
    """Each step of a run with its state dict, one in memory at a time, and the same in every pass.

    Rows come from one pass and responses from another. Of states that a pass gave, the SHA-256 of all tensors is kept,
    and a later pass that gives another one is refused: files were replaced, or the function trains anew.

    Examples
    --------
    >>> run = RunStates(lambda: [(0, {}), (10, {})], nn.Linear(1, 1))
    >>> [step for step, _ in run], run.count
    ([0, 10], None)
    """

    def __init__(self, run: Checkpoints | States, module: nn.Module) -> None:
        self.module = module
        self._run = run
        self._digests: dict[int, str] = {}
        self._is_whole = False

    @property
    def count(self) -> int | None:
        """Of the states; None where a function yields them and nobody knows."""
        return len(self._run) if isinstance(self._run, Checkpoints) else None

    def require(self) -> None:
        """Refuse files that do not fit the module, before the first has taken its time.

        Raises
        ------
        WeightsError
            One does not.
        """
        for saved in self._run if isinstance(self._run, Checkpoints) else ():
            saved.require(self.module)

    def __iter__(self) -> Iterator[tuple[int, Mapping[str, Tensor]]]:
        """A pass over the run.

        Raises
        ------
        UserError
            The steps do not ascend, or there is none, or steps or states differ from those of an earlier pass; or the
            function yields no pairs.
        """
        passed: list[int] = []
        for step, state in self._pairs():
            if passed and step <= passed[-1]:
                raise UserError(f"checkpoints: expected ascending steps, got {step:,} after {passed[-1]:,}")
            self._require_as_before(step, state)
            passed.append(step)
            yield step, state
        if not passed:
            raise UserError(
                "checkpoints: the function that yields (step, state dict) yielded none; it is called more than once, "
                "and must begin anew each time"
            )
        if missing := sorted(self._digests.keys() - {*passed}):
            raise _changed(f"step {missing[0]:,}", "no such step")
        self._is_whole = True

    @property
    def any_time(self) -> list[int]:
        """Steps whose state can be read at any time, which are those of files."""
        return [saved.step for saved in self._run] if isinstance(self._run, Checkpoints) else []

    def at(self, step: int) -> Mapping[str, Tensor]:
        """The state of one of the steps ``any_time``.

        Raises
        ------
        UserError
            It differs from that of an earlier pass.
        """
        state = next(saved.state(self.module) for saved in self._run if saved.step == step)  # type: ignore[union-attr]
        self._require_as_before(step, state)
        return state

    def _pairs(self) -> Iterable[tuple[int, Mapping[str, Tensor]]]:
        if isinstance(self._run, Checkpoints):
            return ((saved.step, saved.state(self.module)) for saved in self._run)
        return _yielded(self._run)

    def _require_as_before(self, step: int, state: Mapping[str, Tensor]) -> None:
        digest = _digest(state)
        if self._is_whole and step not in self._digests:
            raise _changed("no such step", f"step {step:,}")
        if self._digests.setdefault(step, digest) != digest:
            raise _changed(f"the tensors of step {step:,} that were there", "others")


def _changed(expected: str, got: str) -> UserError:
    return UserError(
        f"checkpoints: a later pass over the run expected {expected}, as the first gave, got {got}; leave the files as "
        "they are until the call ends, or let the function yield the same states each time, such as from files"
    )


def _digest(state: Mapping[str, object]) -> str:
    found = hashlib.sha256()
    for name, value in state.items():
        if isinstance(value, Tensor) and value.layout == torch.strided and not (value.is_meta or value.is_quantized):
            found.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            found.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def _yielded(run: States) -> Iterator[tuple[int, Mapping[str, Tensor]]]:
    if not isinstance(pairs := run(), Iterable):
        raise wrong_kind("checkpoints", "a function that yields pairs (step, state dict)", pairs)
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2 or not isinstance(pair[1], Mapping):
            raise wrong_kind("checkpoints", "pairs (step, state dict) of the function", pair, "yield step, state")
        yield whole_step(pair[0]), pair[1]
