"""PyTorch is loaded once its threads' patience is set, whatever a stage imports first; a user's own setting stays."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.imports import ROOT

COMPUTING = [script for script in sorted((ROOT / "stages").glob("*.py")) if "configure()" in script.read_text()]
WATCHED = """
import os, runpy, sys
class Watch:
    def find_spec(self, name, *rest):
        if name == "torch":
            print(os.environ.get("GOMP_SPINCOUNT"), os.environ.get("OMP_WAIT_POLICY"))
sys.meta_path.insert(0, Watch())
sys.path.insert(0, {root!r})
runpy.run_path({script!r}, run_name="imported")
"""


def at_loading(script: Path, **variables: str) -> str:
    """What the variables were when PyTorch was loaded by a script's imports."""
    own = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    code = WATCHED.format(root=str(ROOT), script=str(script))
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=own | variables, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.slow
@pytest.mark.parametrize("script", COMPUTING, ids=lambda script: script.stem)
def test_every_stage_that_computes_sets_it_before_pytorch_is_loaded(script: Path) -> None:
    assert at_loading(script) == "1000 None"


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["train", "finished", "frozen"])
def test_so_do_the_stages_of_a_study_s_project(stage: str) -> None:
    assert at_loading(ROOT / f"sedlib/studies/scripts/{stage}.py") == "1000 None"


def test_what_a_user_sets_stays() -> None:
    script = ROOT / "stages/train.py"
    assert at_loading(script, OMP_WAIT_POLICY="active") == "None active"
    assert at_loading(script, GOMP_SPINCOUNT="7") == "7 None"
