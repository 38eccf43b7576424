"""Every parameter has a limit with a reason; what takes much memory is estimated before it is taken."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sedlib.grokking.network.model import build_model
from sedlib.grokking.setup.experiment import Experiment, RunParams
from sedlib.grokking.setup.params import Params, geometry_problem
from sedlib.pipeline.parameters.geometry_params import FEWEST, GeometryParams, measured
from sedlib.pipeline.parameters.limits import LIMITS
from sedlib.pipeline.parameters.sections import ParamsError
from sedlib.vectors import ParamLayout
from tests.imports import ROOT
from tests.tiny import TINY


def leaves(schema: dict[str, Any], field: dict[str, Any], key: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every value that the schema of params.yaml has, with its key."""
    if "$ref" in field:
        field = schema["$defs"][field["$ref"].rpartition("/")[2]]
    for name, inner in field.get("properties", {}).items():
        yield from leaves(schema, inner, f"{key}.{name}")
    for inner in (field[kind] for kind in ("items", "additionalProperties") if isinstance(field.get(kind), dict)):
        yield from leaves(schema, inner, f"{key}.*")
    for inner in field.get("anyOf", []):
        yield from leaves(schema, inner, key)
    yield key, field


def test_every_number_and_every_list_has_a_limit() -> None:
    schema = Params.model_json_schema()
    found = list(leaves(schema, schema, ""))
    numbers = [(key, field) for key, field in found if field.get("type") in ("integer", "number")]
    assert len(numbers) > 40
    for key, field in numbers:
        assert {"maximum", "exclusiveMaximum"} & field.keys(), key
        assert {"minimum", "exclusiveMinimum"} & field.keys(), key
    lists = {key: field for key, field in found if field.get("type") == "array" and key != ".runs.*.ops"}
    assert len(lists) > 20
    for key, field in lists.items():
        assert "maxItems" in field, key


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.description.partition(":")[0])
def test_a_limit_says_of_what_and_why(limit: Any) -> None:
    assert limit.most > 0
    assert len(limit.description) > 20


def test_a_refusal_says_the_limits_reason(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(json.dumps({**TINY, "window": 10**9}))
    with pytest.raises(ParamsError, match=r"at most 10,000 rows of a window: each window takes an eigendecomposition"):
        Params.load(path)
    values = [10**6] * 2
    path.write_text(json.dumps({**TINY, "ablation": {**TINY["ablation"], "window": values}}))
    with pytest.raises(ParamsError, match=r"ablation.window.0 = 1000000 must .*; at most 10,000 rows of a window"):
        Params.load(path)


@pytest.mark.parametrize("run", ["add-42", "multitask-42"])
def test_sizes_are_those_of_the_network(run: str) -> None:
    experiment = Experiment.load(run, ROOT / "params.yaml")
    network = build_model(experiment)
    assert experiment.sizes.parameters == ParamLayout.select(network, "*").size
    assert experiment.sizes.attention == ParamLayout.attention(network).size


def test_a_network_that_nobody_can_train_is_refused_with_its_size(tmp_path: Path) -> None:
    """Also where one run is read, as every stage does, or the parameters that a file carries."""
    path = tmp_path / "params.yaml"
    path.write_text(json.dumps({**TINY, "model": {"d_model": 65536, "heads": 1, "d_ff": 1, "layers": 2}}))
    message = (
        r"training would take 512.* GiB \(weights, gradient and two moments of 34,[0-9,]+ parameters\), and at most 64"
    )
    for load in (Params.load, lambda path: Experiment.load("add-1", path)):
        with pytest.raises(ParamsError, match=message):
            load(path)
    carried = json.loads(Experiment.load("add-42", ROOT / "params.yaml").model_dump_json())
    carried["model"]["d_model"] = 65536
    with pytest.raises(ValueError, match="training would take"):
        Experiment.model_validate_json(json.dumps(carried))


@given(every=st.integers(1, 500), checkpoint_every=st.integers(1, 60), intervals=st.integers(2, 60))
def test_measurements_are_counted_as_they_are_chosen(every: int, checkpoint_every: int, intervals: int) -> None:
    steps = [checkpoint_every * number for number in range(intervals + 1)]
    run = RunParams(ops=["add"], seed=0, checkpoint_every=checkpoint_every, max_steps=steps[-1])
    geometry = GeometryParams.model_validate({"curvature": {"every": every, "components": 1}})
    problem = geometry_problem(geometry, "add-1", run) or ""
    assert ("measurements" in problem) == (len(measured(steps, every)) < FEWEST)
