import copy
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sedlib.grokking.setup.experiment import Experiment
from sedlib.grokking.setup.intervention_params import InterventionParams
from sedlib.grokking.setup.params import Params
from sedlib.grokking.setup.projection_params import ProjectionParams
from sedlib.pipeline.parameters.permuted_params import PermutedParams
from sedlib.pipeline.parameters.sections import ParamsError
from tests.imports import ROOT
from tests.tiny import TINY


def written(folder: Path, **changes: Any) -> Path:
    """TINY with changes at dotted keys; None removes the key."""
    values = copy.deepcopy(TINY)
    for dotted, value in changes.items():
        *parents, key = dotted.split("__")
        section = values
        for parent in parents:
            section = section[parent.replace("_1", "-1")]
        if value is None:
            del section[key]
        else:
            section[key] = value
    path = folder / "params.yaml"
    path.write_text(json.dumps(values).replace("Infinity", ".inf"))  # JSON is YAML
    return path


def test_the_committed_parameters_are_the_papers() -> None:
    params = Params.load(ROOT / "params.yaml")
    controls = {"quad-42", "cubic-42", "add-42-wd0", "mul-42-wd0"}
    runs = {name: run for name, run in params.runs.items() if name not in controls}
    by_seed = Counter(run.seed for run in runs.values())
    assert by_seed == {42: 5, 137: 5, 2024: 5, 7: 2, 11: 2, 13: 2}
    assert (params.window, params.rank, params.probes.count, params.gradient_batch.size) == (20, 3, 1024, 512)
    assert all(
        (run.checkpoint_every, run.max_steps) == ((25, 8000) if len(run.ops) == 1 else (200, 60000))
        for run in runs.values()
    )
    assert {(params.runs[name].checkpoint_every, params.runs[name].max_steps) for name in controls} == {(100, 8000)}
    assert all(params.runs[name].weight_decay == (0 if name.endswith("-wd0") else None) for name in controls)


def test_defaults_are_the_committed_parameters() -> None:
    committed = Params.load(ROOT / "params.yaml")
    lists = committed.interventions.model_dump(exclude=set(ProjectionParams.model_fields))
    defaults = Params(
        runs=committed.runs,
        ablation=committed.ablation,
        single_step=committed.single_step,
        permuted=PermutedParams(runs=committed.permuted.runs),
        interventions=InterventionParams(**lists),
    )
    assert defaults == committed


def test_every_ablated_value_is_checked_and_named(tmp_path: Path) -> None:
    path = written(tmp_path, ablation__runs=["both-1"], ablation__probe_count=[8, 99], ablation__batch_pairs=["train"])
    with pytest.raises(ParamsError) as refused:
        Params.load(path)
    assert "ablation.probe_count has 99, but probes.count = 99 exceeds the 36 pairs" in str(refused.value)
    assert "ablation.batch_pairs has 'train', but gradient_batch.size = 20 exceeds the 18 pairs" in str(refused.value)


def test_ablated_values_are_checked_for_the_ablated_runs_alone(tmp_path: Path) -> None:
    short = {**TINY["runs"]["add-1"], "max_steps": 15}  # three updates
    values = {"ablation__window": [1, 5], "ablation__batch_pairs": ["all"], "runs": {**TINY["runs"], "short-1": short}}
    Params.load(written(tmp_path, ablation__runs=["add-1"], **values))
    with pytest.raises(ParamsError, match=r"ablation.window has 5, but window = 5 is longer than run short-1"):
        Params.load(written(tmp_path, ablation__runs=["short-1"], **values))


def test_an_axis_without_values_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"ablation.rank is empty; give it at least one value"):
        Params.load(written(tmp_path, ablation__runs=["add-1"], ablation__rank=[]))


def test_epsilon_is_ablated_by_differences_whatever_the_response(tmp_path: Path) -> None:
    params = Params.load(written(tmp_path, response={"kind": "jvp"}))
    assert params.varied("epsilon", 0.01).response.kind == "difference"


def test_ablated_values_that_no_run_needs_limit_nothing(tmp_path: Path) -> None:
    Params.load(written(tmp_path, ablation__probe_count=[99]))


@pytest.mark.parametrize(("window", "rank"), [(5, 3), (1, 3), (40, 3)])
def test_window_and_rank_can_be_swept_while_the_other_is_ablated(window: int, rank: int) -> None:
    committed = Params.load(ROOT / "params.yaml").model_dump()
    params = Params.model_validate({**committed, "window": window, "rank": rank})
    assert (params.varied("rank", 10).window, params.varied("rank", 10).rank) == (max(window, 10), 10)
    assert (params.varied("window", 2).window, params.varied("window", 2).rank) == (2, rank)


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"windw": 5}, ["unknown key windw = 5", "did you mean 'window'?"]),
        ({"optimizer__momentum": 0.9}, ["unknown key optimizer.momentum = 0.9", "known here: lr, betas"]),
        ({"runs__add_1__sed": 3}, ["unknown key runs.add-1.sed = 3", "did you mean 'seed'?"]),
        ({"data__p": 9}, ["data.p = 9 is not prime", "run both-1", "choose a prime"]),
        ({"optimizer__lr": 1.0}, ["optimizer.lr × optimizer.weight_decay = 1", "choose a product below 1"]),
        ({"single_step__runs": ["mul-1"]}, ["single_step.runs names 'mul-1', which is not a run"]),
        ({"window": "20"}, ["window = '20' must be a valid integer, got str", "rows of a stream"]),
        ({"window": 2.5}, ["window = 2.5 must be a valid integer, got float"]),
        ({"rank": True}, ["rank = True must be a valid integer, got bool"]),
        ({"measured_checkpoints": "most"}, ["measured_checkpoints = 'most' must be a valid integer or 'all', got str"]),
        ({"alignment": "centred"}, ["alignment = 'centred' must be 'trailing' or 'forward'"]),
        ({"runs__add_1__ops": ["add", "div"]}, ["runs.add-1.ops", "unknown operation 'div'", "choose from add, sub"]),
        ({"runs__add_1__ops": ["add", "add"]}, ["runs.add-1.ops", "an operation is repeated"]),
        ({"runs__add_1__ops": []}, ["runs.add-1.ops = []"]),
        ({"runs__add_1__seed": -1}, ["runs.add-1.seed = -1 must be greater than or equal to 0"]),
        ({"runs__add_1__seed": 2**32}, ["runs.add-1.seed = 4294967296 must be less than or equal to 4294967295"]),
        ({"runs__add_1__seed": None}, ["key runs.add-1.seed is missing", "Seed of the split"]),
        ({"runs__add_1__max_steps": 0}, ["runs.add-1.max_steps = 0 must be greater than 0"]),
        ({"runs__add_1__checkpoint_every": 50}, ["runs.add-1", "checkpoint_every = 50 exceeds max_steps = 40"]),
        ({"runs__a b": {"ops": ["add"], "seed": 0}}, ["run name 'a b'", "use letters, digits"]),
        ({"runs__add_1__weight_decay": 100.0}, ["optimizer.lr × runs.add-1.weight_decay = 1 "]),
        ({"optimizer__weight_decay": float("inf")}, ["optimizer.weight_decay = inf must be a finite number"]),
        ({"measured_checkpoints": 1}, ["measured_checkpoints = 1 must be greater than or equal to 2 or 'all'"]),
        ({"probes__count": 2}, ["probes.count = 2 must be greater than or equal to 3"]),
        ({"window": 9, "probes__count": 50}, ["window = 9 is longer than", "probes.count = 50 exceeds the 36 pairs"]),
        ({"interventions__rank": 5}, ["interventions: rank = 5 exceeds window = 4; choose rank ≤ 4"]),
        ({"interventions__rank": 0}, ["interventions.rank = 0 must be greater than 0"]),
        ({"interventions__runs": ["add-9"]}, ["interventions.runs names 'add-9', which is not a run; choose from"]),
        ({"runs": {}}, ["runs = {} is refused: dictionary should have at least 1 item"]),
        ({"geometry": {"curvature": {"every": 30}}}, ["geometry.curvature.every = 30 leaves run add-1", "every ≤ 20"]),
        ({"geometry": {"curvature": {"every": 5, "components": 9}}}, ["components = 9 exceeds the 8", "choose ≤ 8"]),
        ({"geometry": {"walks": {"count": 1}}}, ["geometry.walks.count = 1 must be greater than or equal to 2"]),
        (
            {"geometry": {"curvature": {"eta": 0}}},
            ["geometry.curvature.eta = 0 must be greater than or equal to 0.00000001"],
        ),
        ({"window": 9}, ["window = 9 is longer than run add-1 can have", "choose window ≤ 8"]),
        ({"model__d_model": 9}, ["d_model = 9 is not divisible by heads = 2; choose a multiple of 2"]),
        ({"model__layers": 0}, ["model.layers = 0 must be greater than 0"]),
        ({"data__train_fraction": 1.0}, ["data.train_fraction = 1.0 must be less than 1"]),
        ({"data__train_fraction": 0.0}, ["data.train_fraction = 0.0 must be greater than 0"]),
        ({"data__train_fraction": 0.001}, ["data.train_fraction = 0.001 leaves run both-1 0 of 36 pairs"]),
        ({"data__p": 1}, ["data.p = 1 must be greater than or equal to 2"]),
        ({"optimizer__betas": [0.9, 1.0]}, ["optimizer.betas.1 = 1.0 must be less than 1"]),
        ({"optimizer__lr": 0}, ["optimizer.lr = 0 must be greater than 0"]),
        ({"probes__count": 50}, ["probes.count = 50 exceeds the 36 pairs of run both-1; choose ≤ 36"]),
        ({"probes__count": 40}, ["probes.count = 40 exceeds the 36 pairs of run both-1; choose ≤ 36"]),
        ({"gradient_batch": {"size": 30, "pairs": "train"}}, ["gradient_batch.size = 30 exceeds the 18 pairs"]),
        ({"response__epsilon": -0.1}, ["response.epsilon = -0.1 must be greater than or equal to 0.00001", "jvp"]),
    ],
)
def test_refused_with_key_value_and_remedy(tmp_path: Path, changes: dict[str, Any], parts: list[str]) -> None:
    path = written(tmp_path, **changes)
    with pytest.raises(ParamsError) as caught:
        Params.load(path)
    for part in [str(path), *parts]:
        assert part in str(caught.value)


def test_every_problem_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(ParamsError) as caught:
        Params.load(written(tmp_path, windw=5, optimizer__lr=0))
    assert len(str(caught.value).splitlines()) == 2


def test_values_as_dvc_writes_them_are_read(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text((ROOT / "params.yaml").read_text().replace("lr: 0.001", "lr: 1e-05"))
    assert Params.load(path).optimizer.lr == 1e-5


@pytest.mark.parametrize(("text", "message"), [("a: [", "not valid YAML"), ("- 1", "must hold a mapping")])
def test_a_file_that_holds_no_parameters(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(ParamsError, match=message):
        Params.load(path)
    with pytest.raises(ParamsError, match="run from the root of the repository"):
        Params.load(tmp_path / "elsewhere.yaml")


def test_an_experiment_is_one_run_of_the_file(tmp_path: Path) -> None:
    path = written(tmp_path)
    experiment = Experiment.load("both-1", path)
    assert experiment.run.ops == ["add", "mul"]
    assert experiment.model.d_model == 8
    assert Experiment.model_validate_json(experiment.model_dump_json()) == experiment
    with pytest.raises(ParamsError, match="no run 'both-2' under 'runs'; there are: add-1, both-1"):
        Experiment.load("both-2", path)


def test_an_experiment_names_keys_as_the_file_does(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"runs.add-1.ops: unknown operation 'div'"):
        Experiment.load("add-1", written(tmp_path, runs__add_1__ops=["div"]))


def test_run_names_that_yaml_reads_as_numbers(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("runs: {42: {ops: [add], seed: 42}}")
    with pytest.raises(ParamsError, match=r"params.yaml, line 1: runs.42 is a key of type int; put it in quotes"):
        Params.load(path)
