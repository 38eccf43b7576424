"""Ends a script with a message, and without a traceback, on an error that its user can fix and when it is stopped.

Importing this module is enough for one of them: a script whose imports miss an extra ends with what to install.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sedlib.base.atomic import unwritable
from sedlib.base.edited import watching
from sedlib.base.errors import UserError
from sedlib.base.installed.extras import say_what_to_install
from sedlib.base.orphans import end_with_dvc
from sedlib.base.stops import Stopped, stoppable

sys.excepthook = say_what_to_install  # a script imports most of sedlib before anything of its own could catch an error

SECONDS_TO_END = 10.0
"""Before a script that was stopped is ended, whatever it does."""


@contextmanager
def clear_errors() -> Iterator[None]:
    """End the script with a message: with code 1 on a UserError, with 128 and the signal's number when it is stopped.

    A disk that is full, or may not be written to, is an error of its user's too, whatever was to be written; and so is
    an edit, while the script ran, of the parameters that it read.

    Ctrl-C, SIGTERM and SIGHUP stop it, and so does the end of the DVC that started it.
    """
    end_with_dvc()
    try:
        with stoppable(SECONDS_TO_END), watching():
            yield
    except UserError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        if (reason := unwritable(error)) is None:
            raise
        sys.exit(f"error: {reason} ({error})")
    except Stopped as stopped:
        script = " ".join([Path(sys.argv[0]).stem, *sys.argv[1:]])
        print(f"stopped by {stopped.name}: {script} is not finished", file=sys.stderr, flush=True)
        sys.exit(stopped.exit_code)
