"""The states of a run, however they are given: files that are found, or a function that yields them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from sedlib.base.border.kinds import wrong_kind
from sedlib.base.errors import UserError, located, quoted
from sedlib.own.step_file import require_step
from sedlib.saved.saved_checkpoints import Checkpoints, whole_step

EXTRA = "_extra_state"
"""How PyTorch names what a module keeps beside tensors."""
States = Callable[[], Iterable[tuple[int, Mapping[str, Tensor]]]]
"""Yields each step with its state dict, ascending; it is called again for each pass over the run."""


def states_of(run: Checkpoints | States, module: nn.Module) -> Iterator[tuple[int, Mapping[str, Tensor]]]:
    """Each step with its state dict, one in memory at a time.

    Raises
    ------
    UserError
        The steps do not ascend, or there is none, or one has more than 18 digits; or the function yields no pairs.

    Examples
    --------
    >>> [step for step, _ in states_of(lambda: [(0, {}), (10, {})], nn.Linear(1, 1))]
    [0, 10]
    """
    pairs = ((saved.step, saved.state(module)) for saved in run) if isinstance(run, Checkpoints) else _yielded(run)
    before = None
    for step, state in pairs:
        if before is not None and step <= before:
            raise UserError(f"checkpoints: expected ascending steps, got {step:,} after {before:,}")
        before = step
        with located(f"step {step:,}"):
            _require_own_extras(module, state)
        yield step, state
    if before is None:
        raise UserError(
            "checkpoints: the function that yields (step, state dict) yielded none; it is called more than once, and "
            "must begin anew each time"
        )


def states_again(
    run: Checkpoints | States, module: nn.Module, steps: Sequence[int]
) -> Iterator[tuple[int, Mapping[str, Tensor]]]:
    """As ``states_of``, in a later pass over a run of these steps.

    Raises
    ------
    UserError
        As ``states_of``, or the steps are others, fewer or more.

    Examples
    --------
    >>> list(states_again(lambda: [(0, {})], nn.Linear(1, 1), [0, 10]))
    Traceback (most recent call last):
    sedlib.base.errors.UserError: checkpoints: expected step 10 again after 1 of 2 steps, got no more; ...
    """
    count = 0
    for step, state in states_of(run, module):
        if count == len(steps) or step != steps[count]:
            raise _other(steps, count, f"step {step:,}")
        count += 1
        yield step, state
    if count < len(steps):
        raise _other(steps, count, "no more")


def _other(steps: Sequence[int], count: int, got: str) -> UserError:
    expected = f"step {steps[count]:,} again" if count < len(steps) else "no more"
    return UserError(
        f"checkpoints: expected {expected} after {count:,} of {len(steps):,} steps, got {got}; the function of states "
        "must yield the same run at each call"
    )


def _require_own_extras(module: nn.Module, state: Mapping[str, object]) -> None:
    """Refuse a state that brings something else than tensors which is not as the module has it."""
    brought = [name for name in state if name.endswith(EXTRA)]
    held = module.state_dict() if brought else {}
    if other := [name for name in brought if name not in held or not _same(state[name], held[name])]:
        raise ValueError(
            f"state: {quoted(other[0])} is no weight, and not as the module has it; only tensors of parameters and "
            "buffers are taken from a state: build the module with it, make it a buffer if it changes in the run, or "
            "leave it out of the states if it changes nothing"
        )


def _same(one: object, other: object) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return torch.equal(one.cpu(), other.cpu())
    try:
        return bool(one == other)
    except (RuntimeError, ValueError):  # such as a dictionary of tensors: nobody can say
        return False


def _yielded(run: States) -> Iterator[tuple[int, Mapping[str, Tensor]]]:
    if not isinstance(pairs := run(), Iterable):
        raise wrong_kind("checkpoints", "a function that yields pairs (step, state dict)", pairs)
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2 or not isinstance(pair[1], Mapping):
            raise wrong_kind("checkpoints", "pairs (step, state dict) of the function", pair, "yield step, state")
        yield require_step(whole_step(pair[0])), pair[1]
