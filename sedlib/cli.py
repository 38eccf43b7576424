"""The sedlib command: what there is to do beside `dvc repro`."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from sedlib.errors import UserError


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; a UserError ends it with code 1."""
    parser = argparse.ArgumentParser(prog="sedlib", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    check = commands.add_parser("check", help="check params.yaml, naming every value that would be refused")
    check.set_defaults(run=lambda given: check_params(given.file))
    check.add_argument("file", nargs="?", type=Path, default=Path("params.yaml"), help="default: params.yaml")

    parameters = commands.add_parser("parameters", help="print every parameter with its default, limits and meaning")
    parameters.set_defaults(run=lambda _: print(all_parameters(), end=""))

    summary = commands.add_parser("summary", help="print a run's coupling ratios and the path of its figure")
    summary.set_defaults(run=lambda given: print(run_summary(given.name)))
    summary.add_argument("name", metavar="RUN", help="name of a run in params.yaml, such as add-42")

    interventions = commands.add_parser("interventions", help="print the tables of the intervention cells there are")
    interventions.set_defaults(run=lambda _: print(intervention_tables()))

    given = parser.parse_args(arguments)
    try:
        given.run(given)
    except UserError as error:
        sys.exit(f"error: {error}")


def check_params(path: Path) -> None:
    """Refuse a params.yaml that any stage would refuse.

    Raises
    ------
    ParamsError
        A value is refused.
    """
    from sedlib.grokking.params import Params

    Params.load(path)


def all_parameters() -> str:
    """The page of parameters, as docs/parameters.md has it."""
    from sedlib.grokking.params_page import params_page

    return params_page()


def intervention_tables() -> str:
    """Tables of whatever intervention cells were run.

    Raises
    ------
    UserError
        None was.
    """
    from sedlib.grokking.workspace import INTERVENTION_TABLES
    from sedlib.report.interventions import as_text, grok_steps

    return as_text(grok_steps(INTERVENTION_TABLES))


def run_summary(name: str) -> str:
    """A run's summary as text, with the path of its coupling figure.

    Raises
    ------
    UserError
        The run's figures stage has not run.
    """
    from sedlib.grokking.workspace import Workspace
    from sedlib.report.summary import as_text

    run = Workspace(name)
    if not run.summary.exists():
        raise UserError(f"{run.summary} is missing; run `dvc repro figures@{name}`")
    text = as_text(name, json.loads(run.summary.read_text()))
    return f"{text}\nfigure: {run.results / 'coupling.svg'}"
