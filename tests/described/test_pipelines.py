"""What dvc.yaml, the schemas and the readers say of tables is the same."""

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from sedlib.base.described.description import FileKind, description_of
from sedlib.pipeline.parameters.ablation_params import AXES
from sedlib.terms.tables.ablation_table import ON_OTHER_BATCHES
from sedlib.terms.tables.single_step_tables import ANGLES, SINGLE_STEP
from sedlib.terms.tables.summary_file import SUMMARY
from tests.imports import ROOT
from tests.report.made_up import RUN_TABLES

PIPELINES = [
    *(ROOT / folder / "dvc.yaml" for folder in ("", "ablations", "geometry", "interventions")),
    *sorted((ROOT / "sweeps").glob("*/dvc.yaml")),
    ROOT / "tests/other_study/pipeline.yaml",
]
DESCRIBED = re.compile(r"(artifacts/results|sweeps/\w+/results)/.*\.(csv|json)")


def stages(file: Path) -> dict[str, dict[str, Any]]:
    return {name: stage.get("do", stage) for name, stage in YAML(typ="safe").load(file.read_text())["stages"].items()}


@pytest.mark.parametrize("file", PIPELINES, ids=lambda file: file.parent.name)
def test_a_table_and_its_description_are_written_and_read_together(file: Path) -> None:
    for stage in stages(file).values():
        for section in ("deps", "outs"):
            paths = [path for path in stage.get(section, []) if isinstance(path, str)]
            named = {path for path in paths if DESCRIBED.fullmatch(path)}
            tables = {path for path in named if not path.endswith(".resource.json")}
            assert named == tables | {str(description_of(Path(path))) for path in tables}


@pytest.mark.parametrize("kind", [*RUN_TABLES.values(), SINGLE_STEP, ANGLES, SUMMARY], ids=lambda kind: kind.name)
def test_a_table_is_written_by_the_stage_that_its_schema_names(kind: FileKind) -> None:
    file, _, name = kind.stage.rpartition(":")
    suffix = "json" if kind == SUMMARY else "csv"
    outs = [re.sub(r"\$\{.*?\}", "RUN", out) for out in stages(ROOT / (file or "dvc.yaml"))[name]["outs"]]
    assert f"artifacts/results/RUN/{kind.name}.{suffix}" in outs


def test_axes_with_rows_of_their_own_have_a_stage_of_their_own() -> None:
    assert set(ON_OTHER_BATCHES) == {name for name, axis in AXES.items() if axis.needs_checkpoints}
