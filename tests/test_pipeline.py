"""Real DVC on a tiny model in a temporary clone: what a change re-runs, and what it leaves alone."""

import json
import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clone import ALL, ANALYSIS, CODE, CURVATURE, FOR_FIGURES, REPORT, TRAJECTORY, Clone, names
from tests.imports import ROOT
from tests.tiny import TINY

pytestmark = pytest.mark.slow


def test_nothing_runs_again_when_nothing_changed(clone: Clone) -> None:
    assert clone.repro() == []
    assert "up to date" in clone.call("dvc", "status").stdout


@pytest.mark.long
def test_window_reruns_bases_coupling_and_figures_and_going_back_restores(clone: Clone) -> None:
    clone.set(window=4)
    assert sorted(clone.repro()) == sorted(CODE + names(ANALYSIS) + REPORT)
    clone.set(window=3)
    assert clone.repro() == REPORT  # all else is restored; reports are kept by git, not by the cache


def test_an_added_run_runs_alone(clone: Clone) -> None:
    clone.set(runs=TINY["runs"])
    assert sorted(clone.planned()) == sorted(names(ALL, "both-1") + REPORT)


CELLS = "interventions/dvc.yaml"


def test_each_intervention_is_a_stage_and_one_more_runs_alone(clone: Clone) -> None:
    interventions = {**TINY["interventions"], "varied_runs": ["add-1"], "coordinates": [0]}
    clone.set(interventions=interventions)
    targets = [f"{CELLS}:coordinates", f"{CELLS}:without_weight_decay@add-1-control"]
    assert len(clone.repro(*targets)) == len(CODE) + 2
    clone.set(interventions={**interventions, "coordinates": [0, 7]})
    assert clone.repro(*targets) == [*CODE, f"{CELLS}:coordinates@add-1-7"]
    assert clone.repro("figures@add-1") == []
    tables = clone.call("sedlib", "interventions").stdout
    assert "coordinates kept" in tables
    assert "not within 40 steps" in tables


@pytest.mark.long
def test_plain_repro_in_the_root_runs_the_interventions_and_what_their_conditions_change(clone: Clone) -> None:
    interventions = {**TINY["interventions"], "runs": ["add-1"], "projections": ["update"], "conditions": ["freeze"]}
    clone.set(interventions=interventions)
    cells = [f"{CELLS}:control@add-1", f"{CELLS}:intervene@add-1-update-freeze"]
    assert clone.repro() == CODE + cells + REPORT
    clone.set(interventions={**interventions, "conditions": ["freeze", "keep-random"]})
    assert clone.repro() == [*CODE, f"{CELLS}:intervene@add-1-update-keep-random", *REPORT]


AXES_OF = {"ablate": "-window", "ablate_batch": "-batch_seed", "single_step": ""}


@pytest.mark.long
def test_an_axis_is_ablated_on_its_own_and_nothing_is_trained_or_dumped_for_it(clone: Clone) -> None:
    cells = [f"ablations/dvc.yaml:{name}@add-1{axis}" for name, axis in AXES_OF.items()]
    clone.set(ablation={**TINY["ablation"], "runs": ["add-1"]}, single_step={"runs": ["add-1"]})
    assert sorted(clone.repro(*cells)) == sorted(CODE + cells)
    clone.set(ablation={**TINY["ablation"], "runs": ["add-1"], "window": [1, 3, 4]}, single_step={"runs": ["add-1"]})
    assert clone.repro(*cells) == [*CODE, "ablations/dvc.yaml:ablate@add-1-window"]
    table = clone.call("sedlib", "ablations", "add-1").stdout
    assert {"window", "batch_seed"} <= {line.split()[0] for line in table.splitlines()}
    phases = clone.call("sedlib", "phases", "add-1").stdout
    assert "bases from single checkpoints" in phases
    assert "simplified and full centroid" in phases
    assert "add" in clone.call("sedlib", "seeds").stdout


@pytest.mark.long
def test_geometry_is_measured_on_the_checkpoints_and_each_part_runs_alone(clone: Clone) -> None:
    geometry = TINY["geometry"]
    clone.set(geometry={**geometry, "walks": {"count": 4, "seed": 0}})
    assert clone.repro() == CODE + names([TRAJECTORY]) + REPORT
    clone.set(geometry={**geometry, "curvature": {**geometry["curvature"], "every": 10}})
    assert clone.repro() == CODE + names([CURVATURE]) + REPORT
    table = (clone.folder / "artifacts/results/add-1/curvature.csv").read_text().splitlines()
    steps = [step for step in ("0", "10", "20", "30", "40") for _ in ("trajectory", "weights")]
    assert [line.split(",")[0] for line in table] == ["step", *steps]
    found = json.loads((clone.folder / "reports/metrics.json").read_text())["geometry"]["add-1"]
    assert 0 < found["pc1_min"] < found["pc1_max"] <= 100
    assert (found["onset"], found["lead"]) == (None, None)  # as long as it is trained, it does not grok
    for command in (["sedlib", "geometry"], ["sedlib", "geometry", "add-1"]):
        text = clone.call(*command).stdout
        assert "add-1: no defect above 20 and 10 times the first ones; test accuracy reached" in text
    assert "layer 1 W_O" in text


def test_geometry_that_was_not_measured_names_the_remedy(clone: Clone) -> None:
    for table in ("curvature", "trajectory"):
        for suffix in (".csv", ".resource.json"):
            (clone.folder / f"artifacts/results/add-1/{table}{suffix}").unlink()
        missing = clone.call("sedlib", "geometry", "add-1")
        assert missing.returncode == 1
        assert f"run `dvc repro geometry/dvc.yaml:{table}@add-1`" in missing.stderr
    assert "run `dvc repro geometry/dvc.yaml`" in clone.call("sedlib", "geometry").stderr


def edit(clone: Clone, file: str, before: str, after: str) -> None:
    path = clone.folder / file
    text = path.read_text()
    assert before in text, file
    path.write_text(text.replace(before, after, 1))


def test_an_edit_reruns_the_stages_that_use_what_it_changes_and_no_others(clone: Clone) -> None:
    edit(clone, "sedlib/curvature.py", "LARGEST_ROUNDING = 0.1", "LARGEST_ROUNDING = 0.11")
    assert clone.repro() == CODE + names([CURVATURE])  # no training; the table comes out equal, and the report stands
    edit(clone, "sedlib/report/drawn/run_figures.py", 'rank90": _rank90(', 'rank90": (_rank90)(')
    edit(clone, "sedlib/report/numbers/results.py", "groupby(keys, sort=False)", "groupby(list(keys), sort=False)")
    assert clone.repro() == CODE + names(["figures"]) + REPORT  # no analysis
    edit(clone, "sedlib/grokking/training/loop.py", "grokked = 0", "grokked = int(0)")
    assert clone.repro() == CODE + names(["train"])  # whose bytes come out equal: no measurement


def test_words_for_a_reader_rerun_nothing_but_the_code_stage(clone: Clone) -> None:
    edit(clone, "sedlib/pipeline/code/current.py", "then the stage again", "then that stage again")  # only refuses
    edit(clone, "sedlib/pipeline/parameters/ablation_params.py", "Values of window;", "Widths of the window;")
    edit(clone, "sedlib/grokking/training/loop.py", "is trained from step 0", "is trained from the first step on")
    edit(clone, "sedlib/vectors.py", "return cls._of_slots", "# as asked\n        return cls._of_slots")
    assert clone.repro() == CODE


def test_a_new_operation_reruns_no_other_run(clone: Clone) -> None:
    edit(
        clone,
        "sedlib/grokking/setup/operations.py",
        "OPERATIONS = {",
        'OPERATIONS = {\n    "first": Operation("a", lambda a, b: a),',
    )
    assert clone.repro() == CODE
    run = {**TINY["runs"]["add-1"], "ops": ["first"]}
    clone.set(runs={"add-1": TINY["runs"]["add-1"], "first-1": run})
    assert sorted(clone.planned("figures")) == sorted(names(FOR_FIGURES, "first-1"))
    assert clone.repro("train") == names(["train"], "first-1")
    edit(clone, "sedlib/grokking/setup/operations.py", "lambda a, b: a)", "lambda a, b: 2 * a)")
    assert clone.planned("train") == names(["train"], "first-1")


def test_a_stage_refuses_to_run_as_other_code_or_another_run_than_dvc_takes_it_for(clone: Clone) -> None:
    """DVC would record its results under the old text, and bring them back when the edit is undone."""
    before = (clone.folder / "dvc.lock").read_text()
    edit(clone, "sedlib/base/long_rows/long_sums.py", "BLOCK_BYTES = 2**25", "BLOCK_BYTES = 2**24")
    refused = clone.call("dvc", "repro", "--force", "--single-item", "bases@add-1")
    assert refused.returncode != 0
    said = "sedlib/base/long_rows/long_sums.py is not what it was when artifacts/code/bases.txt was written"
    assert said in refused.stderr
    assert "run `dvc repro code`" in refused.stderr
    edit(clone, "sedlib/base/long_rows/long_sums.py", "BLOCK_BYTES = 2**24", "BLOCK_BYTES = 2**25")
    clone.set(optimizer={**TINY["optimizer"], "lr": 0.02})
    refused = clone.call("dvc", "repro", "--force", "--single-item", "train@add-1")
    assert refused.returncode != 0
    assert "run add-1 is not what it was when artifacts/setup/add-1.txt was written" in refused.stderr
    clone.set()
    assert clone.repro() == []
    assert (clone.folder / "dvc.lock").read_text() == before


def test_an_optimizer_change_reruns_everything(clone: Clone) -> None:
    clone.set(optimizer={**TINY["optimizer"], "lr": 0.02})
    assert sorted(clone.planned()) == sorted(names(ALL) + REPORT)


def test_every_stage_writes_the_same_bytes_again(clone: Clone) -> None:
    before = (clone.folder / "dvc.lock").read_text()
    assert sorted(clone.repro("--force")) == sorted(CODE + names(ALL) + REPORT)
    assert (clone.folder / "dvc.lock").read_text() == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"window": 99}, "window = 99 is longer than run add-1 can have"),
        ({"windw": 3}, "did you mean 'window'?"),
    ],
)
def test_wrong_parameters_stop_the_first_stage_and_lose_nothing(
    clone: Clone, changes: dict[str, Any], message: str
) -> None:
    clone.set(**changes, optimizer={**TINY["optimizer"], "lr": 0.02})  # training is due
    done = clone.call("dvc", "repro")
    assert done.returncode != 0
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert re.findall(r"Running stage '(.*?)'", done.stdout) == CODE
    clone.set()
    assert clone.repro() == []  # restored from the cache


def broken(change: Callable[[bytes], bytes], path: Path) -> None:
    content = path.read_bytes()
    path.unlink()  # it is a link into the cache
    path.write_bytes(change(content))


def test_a_truncated_artifact_names_file_and_remedy(clone: Clone) -> None:
    path = clone.folder / "artifacts/gradients/add-1.h5"
    broken(lambda content: content[: len(content) // 2], path)
    done = clone.call("python", "stages/bases.py", "--run", "add-1")
    assert done.returncode == 1
    assert "artifacts/gradients/add-1.h5: expected a gradients/4 artifact" in done.stderr
    assert "dvc repro --force --single-item dump@add-1" in done.stderr
    assert "Traceback" not in done.stderr
    assert clone.repro() == []  # DVC restores it from the cache
    assert clone.call("python", "stages/bases.py", "--run", "add-1").returncode == 0


def test_a_script_called_by_hand_leaves_the_cache_alone(clone: Clone) -> None:
    table = clone.folder / "artifacts/results/add-1/spectra.csv"
    before = table.read_text()
    clone.set(window=4)
    assert clone.call("python", "stages/bases.py", "--run", "add-1").returncode == 0
    assert table.read_text() != before
    clone.set(window=3)
    assert clone.repro() == []
    assert table.read_text() == before


def test_an_unknown_run_is_refused_with_the_known_ones(clone: Clone) -> None:
    for script in ("train", "bases", "curvature", "figures"):
        done = clone.call("python", f"stages/{script}.py", "--run", "add-9")
        assert done.returncode == 1
        assert "no run 'add-9' under 'runs'; there are: add-1" in done.stderr


def test_metrics_and_plots_are_those_of_the_report_and_of_each_run(clone: Clone) -> None:
    shown = clone.call("dvc", "metrics", "show", "--json")
    found = {name: of["data"] for name, of in json.loads(shown.stdout)[""]["data"].items()}
    assert found.keys() == {"reports/headline.json", "artifacts/headline/add-1.json"}
    for name, numbers in found.items():
        written = json.loads((clone.folder / name).read_text())
        assert numbers == {key: value for key, value in written.items() if value is not None}
    peak = json.loads((clone.folder / "reports/metrics.json").read_text())["single_task"]["add"]["gradient_peak"][
        "mean"
    ]
    assert found["reports/headline.json"]["gradient"] == found["artifacts/headline/add-1.json"]["gradient_peak"] == peak
    assert clone.call("dvc", "plots", "show", "-o", "plots").returncode == 0
    assert "Coupling ratio over training" in (clone.folder / "plots/index.html").read_text()


def test_a_value_that_a_stage_does_not_read_is_refused_before_it_runs(clone: Clone) -> None:
    clone.set(response={"kind": "differenc"})
    for stage in ("train@add-1", "bases@add-1", f"{CURVATURE}@add-1"):
        refused = clone.call("dvc", "repro", stage)
        assert refused.returncode != 0
        assert re.findall("Running stage '(.*?)'", refused.stdout) == CODE
        assert "response.kind = 'differenc' must be 'difference' or 'jvp'" in refused.stderr


def test_summary_prints_the_table_and_the_figure(clone: Clone) -> None:
    text = clone.call("sedlib", "summary", "add-1").stdout
    assert "before grokking" in text
    assert "gradient/add W=3" in text
    figure = text.splitlines()[-1].removeprefix("figure: ")
    assert (clone.folder / figure).read_text().startswith("<?xml")


SUBJECTS = {
    "fingerprint": "which code each stage uses",
    "report": "whatever results there are",
    "outcomes": "names of cells",
    "lead_scaling": "name of the run",
    "definitions": "of the sweep, whose tables",
    "more_seeds": "of the sweep, whose runs",
    "shares": "names of cells",
    "acceleration": "folders with params.yaml and results",
    "since_grokking": "steps since grokking",
}


@pytest.mark.parametrize("script", sorted((ROOT / "stages").glob("*.py")), ids=lambda path: path.stem)
def test_every_script_explains_itself(
    script: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [str(script), "--help"])
    with pytest.raises(SystemExit, match="0"):
        runpy.run_path(str(script), run_name="__main__")
    assert SUBJECTS.get(script.stem, "name of a run in params.yaml") in capsys.readouterr().out
