"""Calls the script of a stage that every run has with that run of the folder's study."""

import argparse
import sys
from collections.abc import Callable

from sedlib.base.script import clear_errors
from sedlib.pipeline.code.current import require_current_code
from sedlib.pipeline.resume.old_snapshots import remove_old_snapshots
from sedlib.pipeline.study import Study, load_study
from sedlib.pipeline.workspace import Workspace


def stage(main: Callable[[Study, Workspace], None], description: str | None) -> None:
    """Call a stage script's ``main`` with the run named on the command line, as the folder's study has it."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--run", required=True, help="name of a run in params.yaml, such as add-42")
    given = parser.parse_args()
    with clear_errors():
        workspace = Workspace(given.run)
        require_current_code(sys.argv[0])
        remove_old_snapshots()
        main(load_study().of_run(workspace.run), workspace)
