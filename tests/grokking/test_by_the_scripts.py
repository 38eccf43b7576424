"""What the papers' released scripts measure otherwise than the text says, on a tiny run and on numbers made up."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from sedlib.bases import directions
from sedlib.grokking.by_the_scripts.held_windows import held, measure_held
from sedlib.grokking.by_the_scripts.own_batches import OwnExamples, draws_of, measure_own
from sedlib.grokking.by_the_scripts.rounded_defects import measure_defects, rounded_defect
from sedlib.grokking.setup.params import Params
from sedlib.pipeline.centroids.absolute_overlaps import measure_overlaps, overlaps
from sedlib.pipeline.coupling.measurement import measure_coupling
from sedlib.pipeline.parameters.geometry_params import CurvatureParams
from sedlib.pipeline.rows.bases_file import read_band, read_bases, used_windows
from sedlib.pipeline.rows.fixed_choices import fixed_batch
from sedlib.pipeline.rows.streams import read_streams
from sedlib.report.sweeps import two_definitions
from sedlib.selftest.oracles import dense_svd_basis
from tests.grokking.test_ablations import opened
from tests.grokking.test_training import experiment, write
from tests.tiny import TINY

PARAMS = Params.model_validate({**TINY, "gradient_batch": {"size": 15}})


@pytest.fixture(scope="module")
def checkpoints_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "checkpoints.h5"
    write(path, experiment())
    return path


@pytest.mark.parametrize("name", ["gradient/add", "update"])
def test_every_checkpoint_has_the_window_that_begins_there_or_the_last_whole_one(
    checkpoints_file: Path, tmp_path: Path, name: str
) -> None:
    """Of updates, the first row is the step that leaves the checkpoint."""
    with opened(checkpoints_file, tmp_path, PARAMS) as (_, networks, bases):
        (stream,) = (stream for stream in read_streams(networks.file, networks.study) if stream.name == name)
        band, steps = read_band(bases, stream), networks.steps
        _, [(found, used)] = held(stream, band, steps, PARAMS)
        numbers = used_windows(found, used)
        rows = np.asarray(stream.rows[:, :])
        assert sorted(numbers) == list(range(len(steps)))
        for checkpoint, number in numbers.items():
            start = max(0, min(checkpoint, len(rows) - PARAMS.window))
            ours = directions(stream.rows, found, number)
            expected, _ = dense_svd_basis(rows, start + PARAMS.window - 1, PARAMS.window, PARAMS.rank)
            cosines = np.linalg.svd(np.asarray(ours, float) @ np.asarray(expected, float).T, compute_uv=False)
            np.testing.assert_allclose(cosines, 1, atol=1e-5)


def test_held_windows_are_measured_against_the_same_random_directions(checkpoints_file: Path, tmp_path: Path) -> None:
    with opened(checkpoints_file, tmp_path, PARAMS) as (_, networks, bases):
        streams = [(stream, read_bases(bases, stream)) for stream in read_streams(networks.file, networks.study)]
        coupling = pd.DataFrame(measure_coupling(networks, streams, PARAMS))
        found = pd.DataFrame(measure_held(networks, bases, coupling, PARAMS))
    assert set(found["stream"]) == {"gradient/add", "gradient/mul", "update"}
    assert found[found["stream"] == "gradient/add"]["step"].nunique() == len(networks.measured)
    own = coupling[coupling["op"] == "add"].set_index("step")["baseline_median"]
    for row in found[found["op"] == "add"].to_dict("records"):
        assert row["baseline_median"] == pytest.approx(own.loc[row["step"]].iloc[0], rel=1e-6)


def test_an_operation_has_all_its_pairs_and_zeros_are_left_out_for_mul_alone() -> None:
    run = experiment()
    add, mul = (OwnExamples(run, op).examples("all") for op in ("add", "mul"))
    assert (len(add), len(mul)) == (49, 36)
    a, b = add.inputs.unbind(1)
    assert torch.equal(add.targets[0], (a + b) % 7)
    assert torch.equal(mul.targets[1], mul.inputs.prod(1) % 7)


def test_operations_with_the_same_pairs_draw_other_batches_and_probes_of_them() -> None:
    run = experiment()
    drawn = []
    for number in (0, 1):
        params = draws_of(PARAMS, number)
        assert params.probes.seed == PARAMS.probes.seed + number
        drawn.append(fixed_batch(OwnExamples(run, "add"), params.gradient_batch).inputs)
    assert torch.equal(drawn[0], fixed_batch(OwnExamples(run, "add"), PARAMS.gradient_batch).inputs)
    assert not torch.equal(*drawn)


def test_own_batches_give_each_operation_its_gradient_and_the_sum(checkpoints_file: Path, tmp_path: Path) -> None:
    with opened(checkpoints_file, tmp_path, PARAMS) as (checkpoints, networks, _):
        found = pd.DataFrame(measure_own(checkpoints, networks, experiment(), PARAMS))
    assert set(zip(found["op"], found["stream"], strict=True)) == {
        *(("add", stream) for stream in ("gradient/add", "gradient/total")),
        *(("mul", stream) for stream in ("gradient/mul", "gradient/total")),
    }
    assert set(found["window"]) == {1, 3}
    assert (found["ratio"] > 0).all()


def test_absolute_cosines_are_no_principal_cosines() -> None:
    """Of centroids whose components are turned against one another by 45 degrees; none of equal ones."""
    random = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, 40, 9, generator=random, dtype=torch.float64)
    assert overlaps(first, 2 * first) == pytest.approx((1, 1))
    cosine, absolute = overlaps(first, second)
    assert cosine != pytest.approx(absolute, rel=1e-3)
    scores = torch.linalg.qr(torch.randn(40, 3, generator=random, dtype=torch.float64) - 0)[0]
    scores = torch.linalg.qr(scores - scores.mean(0))[0] * torch.tensor([3.0, 2.0, 1.0], dtype=torch.float64)
    turn = torch.eye(3, dtype=torch.float64)
    turn[:2, :2] = torch.tensor([[1.0, -1.0], [1.0, 1.0]], dtype=torch.float64) / 2**0.5
    cosine, absolute = overlaps(scores, scores @ turn)
    assert cosine == pytest.approx(1)
    assert absolute == pytest.approx((2**0.5 + 1) / 3)  # |cosines| of the first two are all √½: of rank one


def test_overlaps_are_of_both_centroids_at_each_measured_checkpoint(checkpoints_file: Path, tmp_path: Path) -> None:
    with opened(checkpoints_file, tmp_path, PARAMS) as (_, networks, _):
        found = pd.DataFrame(measure_overlaps(networks, PARAMS, ("logit", "full")))
    assert len(found) == 2 * len(networks.measured)
    assert found["top3_cosine"].between(0, 1 + 1e-6).all()
    assert (found["absolute_overlap"] - found["top3_cosine"]).abs().max() > 0.01


def test_rounding_moves_a_defect_where_steps_are_short() -> None:
    """Of quadratic losses the defect is known; differences of θ in float32 lose it as the step shrinks."""
    hessians = [torch.tensor([[1.0, 0.0], [0.0, 0.0]]), torch.tensor([[0.0, 1.0], [1.0, 0.0]])]

    def gradient(theta: torch.Tensor, hessian: torch.Tensor) -> torch.Tensor:
        return hessian.to(theta) @ theta

    theta = torch.ones(2)
    exact = rounded_defect(gradient, theta.double(), [hessians[0]], [hessians[1]], 1e-3)
    assert exact == pytest.approx(1, rel=1e-3)
    rough = rounded_defect(gradient, theta, [hessians[0]], [hessians[1]], 3e-5)
    assert abs(rough - 1) > 0.05


def test_defects_are_measured_both_ways(checkpoints_file: Path, tmp_path: Path) -> None:
    settings = CurvatureParams(every=10, draws=2, batch_size=16, eta=0.05)
    with opened(checkpoints_file, tmp_path, PARAMS) as (checkpoints, _, _):
        found = pd.DataFrame(measure_defects(checkpoints, settings))
    assert found["step"].tolist() == [0]  # 40 steps are less than the scripts' hundred
    np.testing.assert_allclose(found["rounded_defect"], found["defect"], rtol=0.05)


def table(**ratios: float) -> pd.DataFrame:
    rows = [
        {"step": step, "op": "add", "stream": stream, "window": window, "direction": 1, "ratio": ratio * step / window}
        for stream, ratio in ratios.items()
        for window in (1, 2)
        for step in (10, 20, 30)
    ]
    return pd.DataFrame(rows).replace({"stream": {"gradient": "gradient/add", "total": "gradient/total"}})


def test_both_definitions_stand_side_by_side_with_their_verdicts() -> None:
    by_text, held_table = {"add-1": table(gradient=10, update=0.4)}, {"add-1": table(gradient=20, update=0.2)}
    rows = pd.DataFrame(two_definitions.windows(by_text, held_table, {"add-1": 20}))
    peaks = rows[rows["claim"] == "gradient-peak"].set_index("definition")
    assert peaks["here"].tolist() == ["150", "300"]
    assert peaks["verdict"].tolist() == ["inside", "inside"]
    assert rows[rows["claim"] == "update-peak"]["here"].tolist() == ["6", "3"]


def test_growth_is_from_where_it_is_measured() -> None:
    steps, rises = np.arange(0, 700, 100), [1.0, 2, 4, 8, 8, 8]
    found = pd.DataFrame({"step": steps, "defect": [*rises, 40], "rounded_defect": [*rises, 400]})
    rows = pd.DataFrame(two_definitions.defects({"add-1": found}, {"quad-1": found.assign(defect=1.0)}))
    grokking = rows[rows["quantity"].str.startswith("smallest")].set_index("definition")["here"]
    assert grokking.tolist() == ["10", "20", "200"]  # over 4, 2 and 2


def test_verdicts_are_those_of_the_claims_rules() -> None:
    """A growth of 30 is above no effect, and still below that of a run that does not grok."""
    steps, rises = np.arange(0, 700, 100), [1.0] * 6
    grown = {"add-1": pd.DataFrame({"step": steps, "defect": [*rises, 30], "rounded_defect": [*rises, 30]})}
    still = {"quad-1": grown["add-1"].replace(30.0, 45.0)}
    rows = pd.DataFrame(two_definitions.defects(grown, still))
    assert set(rows["verdict"]) == {"contradicted"}
    assert set(pd.DataFrame(two_definitions.defects(still, grown))["verdict"]) == {"same direction"}


def test_the_scripts_definition_is_judged_on_the_scripts_runs() -> None:
    """Mul without weight decay, which they do not have, stands by itself there, and is one of the others elsewhere."""
    steps, rises = np.arange(0, 700, 100), [1.0] * 6
    table = pd.DataFrame({"step": steps, "defect": [*rises, 30], "rounded_defect": [*rises, 30]})
    small, large = (table.replace(30.0, growth) for growth in (3.0, 45.0))
    others = {"add-42-wd0": small, "mul-42-wd0": large}
    rows = pd.DataFrame(two_definitions.defects({"add-1": table}, others))
    most = rows[rows["quantity"].str.startswith("largest")]
    assert most["here"].tolist() == ["45", "45", "3"]
    assert most["verdict"].tolist() == ["contradicted", "contradicted", "same direction"]
    assert most["n"].tolist() == [2, 2, 1]
    further = rows[rows["quantity"] == "growth of mul-42-wd0"]
    assert further[["definition", "here"]].to_numpy().tolist() == [[two_definitions.ROUNDED, "45"]]
    alarms = pd.DataFrame(two_definitions.leads({"add-1": table}, others, {"add-1": 900}))
    fired = alarms[alarms["quantity"] == "other runs with an onset"]["here"]
    assert fired.tolist() == ["1 of 2", "1 of 2", "0 of 1"]


@pytest.mark.parametrize(("summed", "said"), [(40.0, "same direction"), (60.0, "contradicted")])
def test_a_sum_hides_the_coupling_below_half_of_it(summed: float, said: str) -> None:
    table = pd.DataFrame(
        [
            {"step": step, "stream": stream, "window": window, "op": "add", "direction": 1, "ratio": ratio}
            for stream, ratio in (("gradient/add", 100.0), ("gradient/total", summed))
            for window in (1, 20)
            for step in (0, 25)
        ]
    )
    rows = pd.DataFrame(two_definitions.batches({"multitask-1": table}, {"multitask-1": table})).set_index("claim")
    assert rows.loc[["aggregation"], "verdict"].unique().tolist() == [said]
    assert rows.loc[["multitask-window"], "verdict"].unique().tolist() == ["contradicted"]  # 1 is not below 1


def test_leads_are_from_the_onset_of_each_definition_and_other_runs_have_alarms() -> None:
    """A defect that passes 20 at step 500 has its onset at 600 where every second measurement is left out."""
    steps, rises = np.arange(0, 900, 100), [1.0] * 5
    table = pd.DataFrame({"step": steps, "defect": [*rises, 30, 30, 30, 30], "rounded_defect": [*rises, 1, 1, 30, 30]})
    still = table.assign(defect=1.0, rounded_defect=1.0)
    rows = pd.DataFrame(
        two_definitions.leads(
            {"add-1": table, "sq-1": table}, {"quad-1": table, "cubic-1": still}, {"add-1": 1600, "sq-1": 550}
        )
    )
    found = rows[rows["claim"] == "lead"]
    assert found["here"].tolist() == [
        "1 of 2, mean 475, p = 0.75",
        "2 of 2, mean 575, p = 0.25",
        "1 of 2, mean 375, p = 0.75",
    ]
    assert found["verdict"].tolist() == ["contradicted", "contradicted", "contradicted"]  # the mean is below 600
    alarms = rows[rows["quantity"] == "other runs with an onset"]
    assert alarms["here"].tolist() == ["1 of 2", "1 of 2", "1 of 2"]
    assert set(alarms["n"]) == {2}


def test_a_run_without_an_onset_or_an_accurate_step_has_no_lead() -> None:
    table = pd.DataFrame({"step": np.arange(0, 700, 100), "defect": 1.0, "rounded_defect": 1.0})
    assert two_definitions.leads({"add-1": table}, {}, {"add-1": 900}) == []
    risen = table.assign(defect=[1.0] * 4 + [30.0] * 3)
    rows = two_definitions.leads({"add-1": risen, "sq-1": risen}, {}, {"add-1": 1200, "sq-1": None})
    assert [row["n"] for row in rows] == [1, 1]
