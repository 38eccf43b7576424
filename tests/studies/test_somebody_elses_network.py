"""A network of `transformers` goes through the stages, by what docs/your-study.md shows."""

import re
from pathlib import Path

import pandas as pd
import pytest

from sedlib.cli import main
from sedlib.studies.stage_scripts import run_script
from tests.imports import ROOT
from tests.studies.tiny_project import tiny_params

pytestmark = pytest.mark.slow
MOST_LINES = 40


def test_what_is_written_for_it_has_at_most_forty_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs/your-study.md").read_text()
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(program.splitlines()) <= MOST_LINES
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.py").write_text(program)
    (tmp_path / "params.yaml").write_text(tiny_params().replace("characters-1", "llama-1"))
    main(["check"])
    for stage in ("train", "dump", "bases", "centroids", "coupling", "figures"):
        monkeypatch.setattr("sys.argv", ["sedlib"])
        run_script(stage, ["--run", "llama-1"])
    coupling = pd.read_csv("artifacts/results/llama-1/coupling.csv")
    assert set(coupling["op"]) == {"reverse", "back"}
    assert (coupling["ratio"] > 0).all()
