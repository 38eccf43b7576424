"""The states of a run, however they are given: files that are found, or a function that yields them."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from torch import Tensor, nn

from sedlib.base.errors import UserError
from sedlib.saved.saved_checkpoints import Checkpoints

States = Callable[[], Iterable[tuple[int, Mapping[str, Tensor]]]]
"""Yields each step with its state dict, ascending; it is called again for each pass over the run."""


def states_of(run: Checkpoints | States, module: nn.Module) -> Iterator[tuple[int, Mapping[str, Tensor]]]:
    """Each step with its state dict, one in memory at a time.

    Raises
    ------
    UserError
        The steps do not ascend, or there is none.

    Examples
    --------
    >>> [step for step, _ in states_of(lambda: [(0, {}), (10, {})], nn.Linear(1, 1))]
    [0, 10]
    """
    pairs = ((saved.step, saved.state(module)) for saved in run) if isinstance(run, Checkpoints) else run()
    before = None
    for step, state in pairs:
        if before is not None and step <= before:
            raise UserError(f"checkpoints: expected ascending steps, got {step:,} after {before:,}")
        before = step
        yield step, state
    if before is None:
        raise UserError("checkpoints: the function that yields (step, state dict) yielded none")
