import copy
import json
import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sedlib.base.described.description import Origin
from sedlib.base.described.tables import read_table, write_table
from sedlib.base.randomness import generator
from sedlib.grokking.interventions.cell_command import OPTIONS, parse_cell
from sedlib.grokking.interventions.cells import Cell, ending_as_cells
from sedlib.grokking.interventions.control_cell import control_table
from sedlib.grokking.interventions.execution import constraining
from sedlib.grokking.interventions.intervened import trajectory
from sedlib.grokking.interventions.kicks import Kicks
from sedlib.grokking.interventions.projected_steps import ProjectedSteps, projecting
from sedlib.grokking.interventions.subspaces import SedSubspace
from sedlib.grokking.network.evaluation import Data
from sedlib.grokking.network.losses import task_losses
from sedlib.grokking.network.model import GrokkingTransformer, build_model
from sedlib.grokking.setup.experiment import Experiment
from sedlib.grokking.setup.projection_params import ProjectionParams
from sedlib.grokking.study import Grokking
from sedlib.grokking.training.loop import train
from sedlib.grokking.training.stepping import Intervention
from sedlib.pipeline.parameters.geometry_params import CurvatureParams
from sedlib.pipeline.parameters.sections import ParamsError
from sedlib.projection import RollingHistory
from sedlib.selftest.oracles import dense_svd_basis
from sedlib.terms.condition import KICK
from sedlib.terms.conditions import INTERVENTIONS
from sedlib.terms.tables.cell_table import CELL
from sedlib.terms.tables.training_table import TRAINING
from sedlib.vectors import ParamLayout
from tests.grokking.test_training import CPU, experiment
from tests.imports import ROOT, import_closure
from tests.tiny import TINY as TINY_PARAMS

SETTINGS = ProjectionParams(window=4, rank=2)
TINY = experiment(run={"checkpoint_every": 1, "max_steps": 12})


def cell(intervention: str, **options: object) -> Cell:
    return Cell.of("both-1", intervention, **options)


def states(
    intervention: str | None, execution: torch.Tensor | None = None, **options: Any
) -> list[dict[str, torch.Tensor]]:
    """State dicts at every step; None for a training without any intervention."""

    data = Data.of(TINY, CPU)

    def intervene(model: GrokkingTransformer) -> Intervention:
        if intervention is None:
            return Intervention()
        asked = cell(intervention, **options)
        if execution is None:
            return projecting(asked, SETTINGS, TINY.run.seed)(model, data)
        return constraining(asked, TINY, SETTINGS, CurvatureParams(), execution)(model, data)

    found = train(TINY, data, CPU, intervene)
    return [copy.deepcopy(checkpoint.model.state_dict()) for checkpoint in found]


def rows_of(
    intervention: str, tiny: Experiment = TINY, settings: ProjectionParams = SETTINGS, **options: object
) -> list[dict[str, Any]]:
    """The table of a cell that needs no finished run."""
    asked = cell(intervention, **options)
    return trajectory(asked, tiny, CPU, projecting(asked, settings, tiny.run.seed))


def slots(state: dict[str, torch.Tensor]) -> torch.Tensor:
    return ParamLayout.attention(build_model(TINY)).flatten(state)


def assert_equal(first: list[dict[str, torch.Tensor]], second: list[dict[str, torch.Tensor]]) -> None:
    for one, other in zip(first, second, strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_control_is_the_training_of_the_train_stage_bit_for_bit() -> None:
    rows = rows_of("control")
    plain = [readout for checkpoint in train(TINY, Data.of(TINY, CPU), CPU) for readout in checkpoint.readouts]
    assert [(row["op"], row["test_loss"], row["weight_norm"]) for row in rows] == [
        (readout.op, readout.test_loss, readout.weight_norm) for readout in plain
    ]


@pytest.mark.parametrize("accuracy", [1e-9, 0.999999])
def test_the_control_from_its_run_is_the_control_that_is_trained(tmp_path: Path, accuracy: float) -> None:
    run = experiment(run={"checkpoint_every": 1, "max_steps": 12}, stopping={"accuracy": accuracy, "checkpoints": 9})
    trained = [
        {"step": checkpoint.step, **asdict(readout)}
        for checkpoint in train(run, Data.of(run, CPU), CPU)
        for readout in checkpoint.readouts
    ]
    write_table(tmp_path / "run.csv", trained, TRAINING, Origin("both-1"))
    training = read_table(tmp_path / "run.csv", TRAINING, "train", Origin("both-1"))
    asked, ending = cell("control"), ending_as_cells(run, SETTINGS)
    rows = trajectory(asked, ending, CPU, projecting(asked, SETTINGS, run.run.seed))
    write_table(tmp_path / "trained.csv", rows, CELL, Origin(asked.name))
    write_table(tmp_path / "taken.csv", control_table(asked, ending, training), CELL, Origin(asked.name))
    assert (tmp_path / "taken.csv").read_bytes() == (tmp_path / "trained.csv").read_bytes()
    assert len(rows) < len(trained) or accuracy > 0.9


def test_cells_are_not_longer_than_their_run() -> None:
    too_long = SETTINGS.model_copy(update={"checkpoints": 30})
    with pytest.raises(ParamsError, match=r"interventions.checkpoints = 30 exceeds stopping.checkpoints = 20"):
        ending_as_cells(experiment(stopping={"accuracy": 0.9, "checkpoints": 20}), too_long)


def test_all_coordinates_are_the_control_and_none_are_freeze_bit_for_bit() -> None:
    size = len(slots(states(None)[0]))
    assert_equal(states("update-keep-random", coordinates=size), states(None))
    assert_equal(states("update-keep-random", coordinates=0), states("update-freeze"))


@pytest.mark.parametrize("intervention", ["update-keep-sed", "update-freeze", "gradient-remove-random"])
def test_the_first_steps_are_natural(intervention: str) -> None:
    assert_equal(states(intervention)[:5], states(None)[:5])
    assert not torch.equal(slots(states(intervention)[5]), slots(states(None)[5]))


def test_freezing_updates_leaves_the_slots_bit_identical_and_nothing_else() -> None:
    after = states("update-freeze")[4:]
    assert all(torch.equal(slots(state), slots(after[0])) for state in after)
    assert not torch.equal(after[-1]["token"], after[0]["token"])


def test_freezing_gradients_leaves_what_momentum_and_decay_do() -> None:
    after = [slots(state) for state in states("gradient-freeze")[4:]]
    assert not torch.equal(after[0], after[-1])


@pytest.mark.parametrize("history", ["", "-raw"])
@pytest.mark.parametrize("condition", ["keep-sed", "remove-sed"])
@pytest.mark.parametrize("projection", ["update", "gradient"])
def test_sed_conditions_equal_a_slow_restatement(projection: str, condition: str, history: str) -> None:
    """Plain gradient descent with given gradients, so that update and gradient differ by the learning rate alone."""
    model = build_model(TINY).double()
    layout = ParamLayout.attention(model)
    parameters = layout.of(model)
    optimizer = torch.optim.SGD(parameters.values(), lr=0.5)
    last_steps = RollingHistory(SETTINGS.window, layout.size)
    last_steps._rows = last_steps._rows.double()  # the oracle is in float64
    subspace = SedSubspace(last_steps, SETTINGS.rank, is_raw=bool(history))
    steps = ProjectedSteps(cell(f"{projection}-{condition}{history}"), SETTINGS, model, layout, subspace)
    rng = np.random.default_rng(0)
    gradients = rng.standard_normal((15, layout.size)) + 3 * rng.standard_normal(layout.size)

    theta = layout.flatten(parameters).detach().numpy().copy()
    rows: list[np.ndarray] = []
    for i, gradient in enumerate(gradients):
        for name, value in layout.unflatten(torch.from_numpy(gradient)).items():
            parameters[name].grad = value.clone()
        steps.before_optimizer()
        optimizer.step()
        steps.after_optimizer()

        natural = gradient if projection == "gradient" else -0.5 * gradient
        part = natural
        if i >= 4:
            basis, _ = dense_svd_basis(np.stack(rows), len(rows) - 1, 4, 2)
            kept = basis.T @ (basis @ natural)
            part = kept if condition == "keep-sed" else natural - kept
        rows.append(natural if history else part)
        theta = theta + (-0.5 * part if projection == "gradient" else part)
        np.testing.assert_allclose(layout.flatten(parameters).detach().numpy(), theta, atol=1e-6)


def test_keep_sed_on_applied_rows_locks_its_basis_and_on_raw_rows_does_not() -> None:
    overlaps = {}
    for name in ("update-keep-sed", "update-keep-sed-raw"):
        rows = rows_of(name, experiment(run={"checkpoint_every": 2, "max_steps": 40}))
        overlaps[name] = [row["overlap"] for row in rows if row["overlap"] is not None][-1]
    assert overlaps["update-keep-sed"] > 0.999
    assert overlaps["update-keep-sed-raw"] < 0.999


def test_the_share_of_random_projections_is_the_root_of_the_rank() -> None:
    tiny = experiment(run={"max_steps": 200, "checkpoint_every": 100})
    size = ParamLayout.attention(build_model(tiny)).size
    passed = rows_of("update-keep-random", tiny)[-1]["passed"]
    assert passed == pytest.approx(math.sqrt(2 / size), rel=0.15)
    removed = rows_of("update-remove-random", tiny)[-1]["passed"]
    assert removed == pytest.approx(math.sqrt(1 - 2 / size), rel=0.01)


def test_any_parameters_can_be_the_target() -> None:
    settings = ProjectionParams(window=4, rank=2, target=["token", "encoder.layers.0.*"])
    model = build_model(TINY)
    before = copy.deepcopy(model.state_dict())
    steps = projecting(cell("update-freeze"), settings, seed=0)(model, Data.of(TINY, CPU))
    for _ in range(6):
        steps.before_optimizer()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(1)
        steps.after_optimizer()
    torch.testing.assert_close(model.token.data, before["token"] + 4)
    torch.testing.assert_close(model.position.data, before["position"] + 6)


@pytest.mark.parametrize(
    ("intervention", "coordinates", "settings", "message"),
    [
        ("update-keep-sed", 5, {}, "--coordinates belongs to keep-random, not to keep-sed"),
        ("update-keep-random", 10**6, {}, "--coordinates 1,000,000 exceeds the 512 of the target"),
        ("update-keep-random", -1, {}, "coordinates = -1 must be greater than or equal to 0"),
        ("update-keep-sed", None, {"target": ["nothing*"]}, "interventions.target: pattern 'nothing\\*' matches no"),
        (
            "update-keep-sed",
            None,
            {"target": ["position"], "rank": 20, "window": 30},
            "rank = 20 exceeds the 16",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_training(
    intervention: str, coordinates: int | None, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(ParamsError, match=message):
        rows_of(intervention, settings=ProjectionParams.model_validate(settings), coordinates=coordinates)


def test_every_intervention_has_a_name_of_its_own() -> None:
    names = [
        Cell.of("add-42", intervention, size=50.0 if found.condition == KICK else None).name
        for intervention, found in INTERVENTIONS.items()
    ]
    assert len(set(names)) == len(names) == 2 + 2 * 9
    assert names[0] == "add-42-control"
    assert Cell.of("add-42", "update-keep-random", coordinates=131).name == "add-42-update-coordinates-131"
    assert Cell.of("add-42", "control", weight_decay=0.0).name == "add-42-control-wd0"
    assert Cell.of("add-42", "kick", size=50.0, start=500).name == "add-42-kick-from500-size50"
    varied = Cell.of("add-42", "gradient-keep-fixed-random", rank=16, target="all", start=500, strength=0.25)
    assert varied.name == "add-42-gradient-keep-fixed-random-all-rank16-from500-strength0.25"


def test_weight_decay_is_overridden(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(json.dumps(TINY_PARAMS))
    assert Cell.of("both-1", "control").experiment(SETTINGS, path).optimizer.weight_decay == 1.0
    changed = Cell.of("both-1", "control", weight_decay=0.0).experiment(SETTINGS, path)
    assert changed.optimizer.weight_decay == 0.0
    assert changed.run == Cell.of("both-1", "control").experiment(SETTINGS, path).run
    assert changed.stopping.checkpoints == SETTINGS.checkpoints


def whole(state: dict[str, torch.Tensor]) -> torch.Tensor:
    return ParamLayout.select(build_model(TINY), "*").flatten(state)


def some_basis(directions: int = 3) -> torch.Tensor:
    """Orthonormal directions of all parameters, along attention slots only."""
    model = build_model(TINY)
    layout, attention = ParamLayout.select(model, "*"), ParamLayout.attention(model)
    marked = {name: torch.zeros_like(value) for name, value in layout.of(model).items()}
    for name, value in attention.of(model).items():
        marked[name] = torch.ones_like(value)
    rows = torch.randn(directions, layout.size, generator=torch.Generator().manual_seed(5)) * layout.flatten(marked)
    return torch.linalg.qr(rows.T)[0].T.contiguous()


def steps_of(found: list[dict[str, torch.Tensor]], read: Callable[..., torch.Tensor]) -> torch.Tensor:
    return torch.stack([read(state) for state in found]).diff(dim=0).double()


def test_keeping_the_execution_basis_of_all_parameters_leaves_motion_in_it_alone() -> None:
    basis = some_basis()
    moved = steps_of(states("update-keep-execution", basis, target="all", start=6), whole)
    natural = steps_of(states(None), whole)
    assert torch.equal(moved[:6], natural[:6])
    inside = moved[6:] @ basis.double().T @ basis.double()
    torch.testing.assert_close(moved[6:], inside, atol=1e-6, rtol=0)
    assert (moved[6:].norm(dim=1) > 1e-6).all()


def test_the_execution_basis_is_restricted_to_the_target() -> None:
    basis = some_basis()
    found = states("update-keep-execution", basis, target="attention", start=6)
    layout = ParamLayout.select(build_model(TINY), "*")
    of_slots = torch.stack([slots(layout.unflatten(row)) for row in basis]).double()
    moved = steps_of(found, slots)[6:]
    torch.testing.assert_close(moved, moved @ of_slots.T @ of_slots, atol=1e-6, rtol=0)
    assert not torch.equal(found[-1]["token"], found[6]["token"])


@pytest.mark.parametrize("strength", [0.25, 1.0])
def test_strength_takes_its_share_of_what_is_outside(strength: float) -> None:
    """At the first step that is changed, whose natural step is known."""
    basis = some_basis()
    natural = steps_of(states(None), whole)[6]
    inside = basis.double().T @ (basis.double() @ natural)
    found = states("update-keep-execution", basis, target="all", start=6, strength=strength)
    expected = inside + (1 - strength) * (natural - inside)
    torch.testing.assert_close(steps_of(found, whole)[6], expected, atol=1e-6, rtol=0)


def test_a_fixed_random_subspace_stays_and_a_fresh_one_does_not() -> None:
    fixed = steps_of(states("update-keep-fixed-random", rank=2), slots)[4:]
    fresh = steps_of(states("update-keep-random", rank=2), slots)[4:]
    assert torch.linalg.matrix_rank(fixed, rtol=1e-2) == 2
    assert torch.linalg.matrix_rank(fresh, rtol=1e-2) == len(fresh)


def test_a_kick_is_the_commutator_across_the_basis_in_gradient_steps() -> None:
    """Against gradients by plain autograd in float64."""
    basis, data, model = some_basis(), Data.of(TINY, CPU), build_model(TINY)
    layout = ParamLayout.select(model, "*")
    kick = Cell.of("both-1", "kick", size=100.0, start=50)
    kicks = Kicks(kick, Grokking(TINY), 1e-3, data, model, generator(1, "kick batches"), basis)
    before = whole(model.state_dict())
    for _ in range(49):
        kicks.after_optimizer()
    assert torch.equal(whole(model.state_dict()), before)
    kicks.after_optimizer()
    moved = (whole(model.state_dict()) - before).double()

    drawing, slow = generator(1, "kick batches"), build_model(TINY).double()
    first, second = (torch.randint(len(data.train_pairs), (32,), generator=drawing) for _ in range(2))

    def gradient(theta: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
        slow.load_state_dict(layout.unflatten(theta))
        loss = task_losses(slow, data.train_pairs[batch], data.train_answers[:, batch]).sum()
        return torch.cat([one.reshape(-1) for one in torch.autograd.grad(loss, list(layout.of(slow).values()))])

    theta = before.double()
    a, b = gradient(theta, first), gradient(theta, second)
    delta = a + gradient(theta - 1e-3 * a, second) - b - gradient(theta - 1e-3 * b, first)
    across = -delta + basis.double().T @ (basis.double() @ delta)
    expected = 100 * 1e-3 * (a.norm() + b.norm()) / 2 * across / across.norm()
    assert (moved - expected).norm() < 0.005 * expected.norm()
    assert (basis.double() @ delta).norm() > 0.01 * delta.norm()  # else leaving it in would not be seen
    kicks.after_optimizer()
    assert torch.equal((whole(model.state_dict()) - before).double(), moved)


@pytest.mark.parametrize(
    ("intervention", "options", "message"),
    [
        ("kick", {}, "a kick needs its --size"),
        ("update-freeze", {"size": 50.0}, "--size belongs to kick, not to freeze"),
        ("update-remove-sed", {"strength": 0.5}, "--strength belongs to keep-sed, .*not to remove-sed"),
        ("update-keep-execution", {"rank": 3}, "--rank belongs to .*not to keep-execution"),
        ("update-keep-random", {"rank": 3, "coordinates": 3}, "leave one out"),
        ("update-keep-random", {"strength": 1.5}, "strength = 1.5 must be less than or equal to 1"),
        ("control", {"target": "all"}, "--target belongs to .*not to control"),
        ("update-keep-random", {"strength": float("nan")}, "strength = nan must be a finite number"),
        (
            "update-keep-random",
            {"coordinates": 10**12},
            "coordinates = 1000000000000 must be less than or equal to 429",
        ),
        ("update-keep-random", {"coordinates": -1}, "coordinates = -1 must be greater than or equal to 0"),
        ("update-keep-random", {"rank": 10**9}, "rank = 1000000000 must be less than or equal to 10000"),
        (
            "update-keep-random",
            {"start": 10**18},
            "start = 1000000000000000000 must be less than or equal to 100000000",
        ),
        ("kick", {"size": float("inf")}, "size = inf must be a finite number"),
        ("control", {"weight_decay": 1e9}, "weight_decay = 1000000000.0 must be less than or equal to 1000000"),
    ],
)
def test_options_that_do_not_fit_are_refused(intervention: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        cell(intervention, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"start": 2}, "--start 2 leaves a history shorter than"), ({"rank": 5}, "--rank 5 exceeds interventions.window")],
)
def test_what_leaves_the_sed_no_window_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        states("update-keep-sed", **options)


def test_an_unknown_intervention_is_refused() -> None:
    with pytest.raises(ParamsError, match="unknown intervention 'update-keep-all'; choose from control, kick, "):
        cell("update-keep-all")


@pytest.mark.parametrize(
    ("script", "intervention", "other"), [("intervene", "kick", "constrain"), ("constrain", "control", "intervene")]
)
def test_a_script_names_the_one_that_trains_what_it_does_not(
    script: str, intervention: str, other: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", [script, "--run", "add-42", "--intervention", intervention])
    with pytest.raises(SystemExit):
        parse_cell(f"stages/{script}.py", None)
    assert f"{intervention} is trained by stages/{other}.py" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: --run"),
        (["--run", "add-42"], "give --intervention, or --condition with its --projection"),
        (["--run", "add-42", "--condition", "keep-sed"], "unknown intervention 'keep-sed'; choose from control"),
        (["--run", "add-42", "--condition", "$(id)"], "argument --condition: invalid choice"),
        (["--run", "add-42", "--intervention", "control", "--projection", "update"], "give --intervention, or"),
        (["--run", "add-42", "--intervention", "control", "--folder", "../.."], "'../..' must be a folder below the"),
        (["--run", "add-42", "--intervention", "control", "--folder", "/etc"], "'/etc' must be a folder below the"),
        (["--run", "add-42", "--condition", "freeze", "--projection", "update", "--start", "x"], "invalid int value"),
    ],
)
def test_a_command_that_names_no_cell_is_refused(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["intervene", *arguments])
    with pytest.raises(SystemExit):
        parse_cell("stages/intervene.py", None)
    assert message in capsys.readouterr().err


def test_the_parts_of_an_intervention_name_it(monkeypatch: pytest.MonkeyPatch) -> None:
    named = ["--intervention", "update-keep-sed"]
    for arguments in (named, ["--condition", "keep-sed", "--projection", "update"]):
        monkeypatch.setattr("sys.argv", ["intervene", "--run", "add-42", *arguments])
        assert parse_cell("stages/intervene.py", None)[0] == Cell.of("add-42", "update-keep-sed")


@pytest.mark.parametrize("script", ["intervene", "constrain"])
def test_a_script_offers_the_options_of_its_conditions(
    script: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", [script, "--help"])
    with pytest.raises(SystemExit):
        parse_cell(f"stages/{script}.py", None)
    page = capsys.readouterr().out
    own = {"intervene": {"coordinates", "rank"}, "constrain": {"size"}}
    assert {option for option in OPTIONS if f"--{option} " in page} == {"target", "start", "strength"} | own[script]


def test_cells_depend_on_nothing_that_only_a_finished_run_needs() -> None:
    """So that an edit of curvature trains none of them again; nor does an edit of the list of cells."""
    files = {str(path.relative_to(ROOT / "sedlib")) for path in import_closure(ROOT / "stages/intervene.py")}
    assert not {"curvature.py", "trajectory.py", "positions.py"} & files
    assert not [path for path in files if path.startswith(("pipeline/geometry/", "pipeline/rows/"))]
    assert not {f"grokking/interventions/{name}.py" for name in ("kicks", "execution", "cell_stages")} & files
    assert not {f"grokking/setup/{name}.py" for name in ("params", "intervention_params")} & files
