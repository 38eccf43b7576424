"""Check params.yaml, then write which code each stage uses and what each run is: artifacts/code, artifacts/setup."""

import argparse
from pathlib import Path

from sedlib.base.script import clear_errors
from sedlib.grokking.setup.experiment import Experiment
from sedlib.grokking.setup.fingerprint import CONDITIONS_FILE, OPERATIONS_FILE, operation_sources, run_text
from sedlib.grokking.setup.params import Params
from sedlib.pipeline.code.fingerprints import code_text, write_texts
from sedlib.pipeline.parameters.sections import PARAMS_FILE, read_params
from sedlib.pipeline.workspace import ARTIFACTS

ROOT = Path(__file__).parent.parent
SCRIPTS = sorted((ROOT / "stages").glob("*.py"))
CELLS = ("intervene", "constrain")
"""Scripts whose commands name a condition, and the name says all that it is."""
GUARDS = [
    Path("sedlib/pipeline/code/current.py"),
    Path("sedlib/pipeline/code/essence.py"),
    Path("sedlib/grokking/setup/fingerprint.py"),
]
"""They compare files with these texts, and change no result."""


def main() -> None:
    Params.load()  # all of it: no stage runs beside a value that another one would refuse, and no name is in a command
    texts = {script.stem: code_text(script, ROOT, ROOT / "study.py", apart_from(script)) for script in SCRIPTS}
    write_texts(texts, ARTIFACTS / "code")
    operations = operation_sources((ROOT / OPERATIONS_FILE).read_text(encoding="utf-8"))
    params = read_params(PARAMS_FILE)
    runs = {run: Experiment.of(params, run) for run in params.get("runs") or {}}
    write_texts({run: run_text(experiment, operations) for run, experiment in runs.items()}, ARTIFACTS / "setup")


def apart_from(script: Path) -> list[Path]:
    """Lists of which a script uses what its run or its command names, and no more; and what only refuses to run."""
    conditions = [CONDITIONS_FILE] if script.stem in CELLS else []
    lists = [OPERATIONS_FILE, *conditions]  # artifacts/setup says which operations a run uses
    return [ROOT / file for file in (*lists, *GUARDS)]


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    with clear_errors():
        main()
