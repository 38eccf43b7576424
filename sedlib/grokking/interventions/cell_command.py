"""The command line of the scripts that train a run under an intervention; each accepts its own conditions only."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sedlib.grokking.interventions.cells import TAKES, Cell, script_of
from sedlib.pipeline.workspace import INTERVENTION_TABLES
from sedlib.terms.conditions import INTERVENTIONS

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
        An option does not fit the intervention, or another option.
    """
    here = {name: found.condition for name, found in INTERVENTIONS.items() if script_of(found.condition) == script}
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("run", help="name of a run in params.yaml, such as add-42")
    parser.add_argument(
        "intervention", type=_run_by(script), choices=here, metavar="INTERVENTION", help=", ".join(here)
    )
    for option, how in OPTIONS.items():
        if any(map(TAKES[option], here.values())):
            parser.add_argument(f"--{option}", **how)
    parser.add_argument("--weight-decay", type=float, help="in place of the run's")
    parser.add_argument("--folder", type=Path, default=INTERVENTION_TABLES, help="of the table; default: %(default)s")
    given = vars(parser.parse_args())
    folder = given.pop("folder")
    return Cell.of(**given), folder


def _run_by(script: str) -> Callable[[str], str]:
    """Refuses an intervention of the other script by naming that; unknown ones are left to ``choices``."""

    def check(intervention: str) -> str:
        found = INTERVENTIONS.get(intervention)
        if found and (other := script_of(found.condition)) != script:
            raise argparse.ArgumentTypeError(f"{intervention} is trained by {other}; run `python {other}`")
        return intervention

    return check
