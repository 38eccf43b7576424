"""A sweep that adds runs to the root's, whose numbers stand in one mean with the root's."""

from collections.abc import Collection
from pathlib import Path

from sedlib.base.errors import UserError, quoted
from sedlib.grokking.setup.params import Params
from sedlib.pipeline.parameters.sections import PARAMS_FILE

OWN = ("runs", "ablation", "single_step", "permuted", "interventions", "geometry")
"""Sections of params.yaml that say which runs are analysed how far, and change no number of the others."""


def require_like_the_root(folder: Path, without: Collection[str] = ()) -> None:
    """Refuse a sweep that has another parameter than the root, or a run with a seed that the root has.

    Raises
    ------
    UserError
        One differs, and the message has both values, or both runs; or ``without`` names what is no run of the sweep.
    """
    root, sweep = Params.load(PARAMS_FILE), Params.load(folder / PARAMS_FILE)
    if unknown := [name for name in without if name not in sweep.runs]:
        raise UserError(f"{folder}: {quoted(unknown[0])} is no run of its params.yaml; name one to leave out")
    ours, theirs = (params.model_dump(exclude=set(OWN)) for params in (root, sweep))
    for name, value in ours.items():
        if theirs[name] != value:
            raise UserError(
                f"{folder}: {name} must be as in the root, {value}, got {theirs[name]}; edit its params.yaml"
            )
    for op in {run.ops[0] for run in sweep.runs.values()}:
        here, there = (runs_of(file, op) for file in (PARAMS_FILE, folder / PARAMS_FILE))
        for run, seed in there.items():
            if seed in here.values():
                raise UserError(f"{folder}: {run} has seed {seed}, which a run of the root has; choose another")


def runs_of(file: Path, op: str, without: Collection[str] = ()) -> dict[str, int]:
    """Runs of one operation alone by the file's weight decay, with their seeds, and ``without`` some.

    Raises
    ------
    UserError
        Two have one seed.
    """
    of_op = {name: run for name, run in Params.load(file).runs.items() if run.ops == [op] and run.weight_decay is None}
    seeds = {name: run.seed for name, run in of_op.items() if name not in without}
    if len(set(seeds.values())) < len(seeds):
        raise UserError(f"{file}: runs of {op} must have different seeds, got {', '.join(map(str, seeds.values()))}")
    return seeds
