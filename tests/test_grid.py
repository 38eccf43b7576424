"""What `sedlib sweep -S` refuses, with the name and the nearest known one, before anything runs."""

from pathlib import Path

import pytest

from sedlib.base.errors import UserError
from sedlib.cluster.grid import grid


@pytest.fixture(autouse=True)
def parameters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "window: 20\nresponse: {kind: jvp, epsilon: 0.1}\nruns: {add-1: {ops: [add], seed: 1}}\n"
    (tmp_path / "params.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("window", r"-S takes NAME=VALUES, such as window=1,5,10 or response.kind=jvp, got 'window'"),
        ("window=1,,2", r"got 'window=1,,2'"),
        ("win dow=1", "got 'win dow=1'"),
        ("=3", "'=3' has no name"),
        ("windw=1,2", r"'windw': params.yaml has no such parameter; did you mean window\? A new one is \+windw=VALUE"),
        ("response.kin=jvp", "did you mean response.kind?"),
        ("~runs.add-2", "did you mean runs.add-1?"),
        ("xyz=1", "there are window, response, runs, …"),
        ("window=glob(*)", "-S asks for no grid: Glob override"),
        ("other.yaml:window=1", "other.yaml is missing"),
    ],
)
def test_what_names_no_grid_is_refused(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        grid(["response.epsilon=0.1,0.2", text])


def test_lists_mappings_and_several_values_make_a_grid() -> None:
    found = grid(["runs.add-1.ops=[add],[add,mul]", "+runs.add-2={ops: [add], seed: 2}", "window=1,2", "~response"])
    assert [values["params.yaml"] for values in found] == [
        [f"runs.add-1.ops=[{ops}]", "+runs.add-2={ops:[add],seed:2}", f"window={window}", "~response=null"]
        for ops in ("add", "add,mul")
        for window in (1, 2)
    ]


@pytest.mark.parametrize("texts", [["window=5", "window=6"], ["window=1,2", "params.yaml:window=3"]])
def test_a_name_that_is_given_twice_is_refused_as_dvc_takes_the_last_value(texts: list[str]) -> None:
    with pytest.raises(UserError, match=r"-S names 'window' twice; give its values at once, such as window=1,2"):
        grid(texts)
