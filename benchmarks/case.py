"""A pair of routines that are timed in turn."""

from collections.abc import Callable
from dataclasses import dataclass

from sedlib.base.randomness import generator
from sedlib.grokking.setup.experiment import Experiment
from sedlib.grokking.study import Grokking
from sedlib.pipeline.study import Examples


@dataclass(frozen=True)
class Case:
    """Two routines, how often each is called within a pair, and how many plain ones make one of ours."""

    other: Callable[[], object]
    ours: Callable[[], object]
    calls: int = 1
    pairs: int = 9
    other_counts: float = 1
    other_is_ours: bool = False
    """Whether the other is of this package, too, and multiplies as its stages do."""


def drawn(experiment: Experiment, count: int, name: str) -> Examples:
    """Fixed pairs of a run, as a stage draws them."""
    return Grokking(experiment).examples("all").drawn(count, generator(0, name))
