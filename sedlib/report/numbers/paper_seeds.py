"""The runs with the paper's seeds apart from those with fresh ones."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sedlib.report.numbers.collection import Collection
from sedlib.report.numbers.paper import SEEDS


def first_and_fresh(found: Collection) -> tuple[Collection, Collection]:
    """The runs with the paper's seeds, and those with fresh ones; all are the former where no run has a paper's seed.

    What is no run's own, such as interventions, is in both.
    """
    fresh = [run for run, summary in found.summaries.items() if summary["seed"] not in SEEDS]
    if all(run in fresh for run in found.summaries if run not in found.controls):
        fresh = []
    return _without(found, fresh), _without(found, [run for run in found.summaries if run not in fresh])


def _without(found: Collection, runs: list[str]) -> Collection:
    def kept(by_run: Mapping[str, Any]) -> dict[str, Any]:
        return {run: value for run, value in by_run.items() if run not in runs}

    return replace(
        found,
        runs=kept(found.runs),
        ladders=kept(found.ladders),
        summaries=kept(found.summaries),
        geometry=kept(found.geometry),
        single_steps=kept(found.single_steps),
        permuted=kept(found.permuted),
    )
