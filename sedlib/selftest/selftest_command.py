"""`sedlib selftest`: runs all checks, prints what came of them and keeps a record for the stages."""

from collections.abc import Sequence

import torch

from sedlib.base.machine.hardware import build, chosen
from sedlib.base.machine.tested import write_record
from sedlib.base.progress import say, track
from sedlib.selftest.all_checks import CHECKS
from sedlib.selftest.check import Check
from sedlib.selftest.outcome import Outcome, outcome_of
from sedlib.selftest.setting import Setting
from sedlib.selftest.verdict_table import as_json, as_table
from sedlib.selftest.versions import versions

PRECISIONS = {"float32": torch.float32, "float64": torch.float64}
"""The first is that of the stages, and decides whether they run."""


def selftest(precision: str = "float32", json: bool = False, checks: Sequence[Check] = CHECKS) -> int:
    """Check all routines on the device that ``SEDLIB_DEVICE`` names; exit code: 1 where one failed.

    Raises
    ------
    UserError
        The hardware that the environment names is not there, or the record cannot be kept.
    """
    setting = Setting(chosen(), PRECISIONS[precision])
    outcomes = list(
        track(
            (outcome_of(check, setting) for check in checks),
            len(checks),
            f"selftest on {setting.device}",
            lambda outcome: outcome.name,
        )
    )
    print((as_json if json else as_table)(versions(setting.device), precision, outcomes), flush=True)
    failed = [outcome.name for outcome in outcomes if outcome.problem]
    _conclude(setting, failed, outcomes)
    return 1 if failed else 0


def _conclude(setting: Setting, failed: Sequence[str], outcomes: Sequence[Outcome]) -> None:
    """Say it in a sentence, and keep it where it is about the precision of the stages."""
    if failed:
        say(f"error: {len(failed)} of {len(outcomes)} routines failed on {setting.device}: {', '.join(failed)}")
    else:
        say(f"all {len(outcomes)} routines passed on {setting.device}")
    if setting.dtype == torch.float32:
        say(f"recorded in {write_record(build(setting.device), failed)}")
