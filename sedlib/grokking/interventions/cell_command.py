"""The command line of the scripts that train a run under an intervention; each accepts its own conditions only."""

import argparse
from pathlib import Path
from typing import Any, cast

from sedlib.base.arguments import folder_below
from sedlib.base.errors import quoted
from sedlib.grokking.interventions.cells import TAKES, Cell, script_of
from sedlib.pipeline.workspace import INTERVENTION_TABLES
from sedlib.terms.condition import PROJECTIONS, Intervention, Projection
from sedlib.terms.conditions import CONDITIONS, INTERVENTIONS

OPTIONS: dict[str, dict[str, Any]] = {
    "coordinates": {"type": int, "metavar": "N", "help": "keep-random: coordinates in place of a subspace"},
    "rank": {"type": int, "metavar": "K", "help": "in place of interventions.rank"},
    "target": {"choices": ["attention", "all"], "help": "in place of interventions.target"},
    "start": {"type": int, "metavar": "STEP", "help": "natural steps first, not interventions.window"},
    "strength": {"type": float, "metavar": "S", "help": "keep-*: share of the rest that is taken, not all"},
    "size": {"type": float, "metavar": "ALPHA", "help": "kick: its length in gradient steps"},
}
"""The variations of ``cells.TAKES``, as the command line has them."""


def parse_cell(script: str, description: str | None) -> tuple[Cell, Path]:
    """The cell that the command line of ``script`` names, and the folder of its table.

    Raises
    ------
    ParamsError
        An option does not fit the intervention, or another option, or no run can have the name.
    """
    here = {name: found.condition for name, found in INTERVENTIONS.items() if script_of(found.condition) == script}
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--run", required=True, help="name of a run in params.yaml, such as add-42")
    parser.add_argument("--intervention", help=", ".join(here))
    parser.add_argument(
        "--condition", choices=CONDITIONS, metavar="CONDITION", help="condition of an intervention, in its place"
    )
    parser.add_argument("--projection", choices=PROJECTIONS, help="projection of the condition, if it projects")
    for option, how in OPTIONS.items():
        if any(map(TAKES[option], here.values())):
            parser.add_argument(f"--{option}", **how)
    parser.add_argument("--weight-decay", type=float, help="in place of the run's")
    parser.add_argument(
        "--folder", type=folder_below, default=INTERVENTION_TABLES, help="folder of the table; default: %(default)s"
    )
    given = vars(parser.parse_args())
    run, folder = given.pop("run"), given.pop("folder")
    named = [given.pop(key) for key in ("intervention", "condition", "projection")]
    try:
        intervention = _intervention(script, *named)
    except ValueError as error:
        parser.error(str(error))
    return Cell.of(run, intervention, **given), folder


def _intervention(script: str, intervention: str | None, condition: str | None, projection: str | None) -> str:
    """Its name, given as such or by its parts."""
    if (intervention is None) == (condition is None) or (intervention and projection):
        raise ValueError("give --intervention, or --condition with its --projection")
    name = intervention or Intervention(CONDITIONS[str(condition)], cast("Projection | None", projection)).name
    if name not in INTERVENTIONS:
        raise ValueError(f"unknown intervention {quoted(name)}; choose from {', '.join(INTERVENTIONS)}")
    if (other := script_of(INTERVENTIONS[name].condition)) != script:
        raise ValueError(f"{name} is trained by {other}; run `python {other}`")
    return name
