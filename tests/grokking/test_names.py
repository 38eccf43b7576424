"""Shell syntax in params.yaml runs nothing: it is refused, and a shell would see it as one quoted word."""

import copy
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from dvc.parsing import ResolveError
from dvc.repo import Repo
from dvc.stage import Stage
from dvc.stage.exceptions import StageCmdFailedError
from dvc.stage.run import cmd_run

from sedlib.base.errors import UserError
from sedlib.grokking.setup.params import Params
from sedlib.pipeline.parameters.plain_texts import text_problems
from sedlib.pipeline.parameters.sections import ParamsError
from sedlib.pipeline.workspace import Workspace
from tests.clone import Clone, copied
from tests.tiny import TINY

RUNS = {"ablation": ["runs"], "single_step": ["runs"], "interventions": ["runs", "varied_runs"]}
WHOLE: dict[str, Any] = {
    section: {**TINY[section], **{key: ["add-1"] for key in RUNS[section]}} if section in RUNS else value
    for section, value in TINY.items()
}
"""With a text wherever one can be."""
SHELL = {
    "substitution": "$(touch canary)",
    "backticks": "`touch canary`",
    "single quote": "'; touch canary; '",
    "double quote": '"; touch canary; "',
    "both": "'\"; touch canary; \"'",
    "semicolon": "x; touch canary #",
    "pipe": "x|touch canary",
    "background": "x&touch canary&",
    "redirection": "x>canary",
    "variable": "${PATH}",
    "escaped": "\\${PATH}' ; touch canary; '",
    "backslash": "\\",
    "newline": "x\ntouch canary\n",
    "line separator": "x\u2028touch canary\u2028",
    "carriage return": "x\rtouch canary\r",
    "template": "${item.run}$(touch canary)",
    "brace": "{x,y}",
    "exclamation": "!!",
    "option": "-x",
    "accent": "é",
    "escape sequence": "\x1b[2J",
    "long": "a" * 300,
}
NO_NAME = {
    "space": "a b",
    "up": "../../x",
    "folder": "a/b",
    "empty": "",
    "dot": ".",
    "at": "a:b",
    "reserved": "interventions",
}


def places(values: Any, keys: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where there is a text in ``values``: the way to it, which ends in None for a key itself."""
    if isinstance(values, str):
        yield keys
    for key, value in (
        values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    ):
        if isinstance(values, dict):
            yield (*keys, key, None)
        yield from places(value, (*keys, key))


def changed(values: Any, way: tuple[Any, ...], text: str) -> Any:
    """``values`` with ``text`` at the place."""
    key, *rest = way
    found = copy.copy(values)
    if rest == [None]:
        return {text if name == key else name: value for name, value in values.items()}
    found[key] = changed(values[key], tuple(rest), text) if rest else text
    return found


def key_of(way: tuple[Any, ...]) -> str:
    """What a message must name: the key of a text, or that of the section which holds a key."""
    return ".".join(map(str, way[:-2] if way[-1] is None else way))


@pytest.mark.parametrize("text", SHELL.values(), ids=SHELL)
def test_every_text_and_every_key_is_refused_by_name(text: str) -> None:
    found = list(places(WHOLE))
    assert len(found) > 100
    for way in found:
        (problem,) = text_problems(changed(WHOLE, way, text))
        assert key_of(way) in problem
        assert problem.isprintable()


def test_the_check_refuses_one_at_every_place(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    for way in places(WHOLE):
        path.write_text(json.dumps(changed(WHOLE, way, SHELL["substitution"])))
        with pytest.raises(ParamsError) as refused:
            Params.load(path)
        assert key_of(way) in str(refused.value)


@pytest.mark.parametrize("name", [*SHELL.values(), *NO_NAME.values()], ids=[*SHELL, *NO_NAME])
def test_no_run_has_a_name_that_is_no_file_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError):
        Workspace(name)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """The repository with nothing computed; tests change its parameters."""
    return copied(tmp_path_factory.mktemp("names") / "sedlib")


def everywhere(text: str) -> dict[str, Any]:
    """Parameters with the text in each place that dvc.yaml reads."""
    lists = ("runs", "varied_runs", "conditions", "projections", "without_weight_decay", "coordinates")
    return {
        "runs": {text: TINY["runs"]["add-1"]},
        "ablation": {**TINY["ablation"], "runs": [text]},
        "single_step": {"runs": [text]},
        "interventions": {**TINY["interventions"], **{key: [text] for key in lists}},
    }


STAND_IN = """#!/bin/sh
for word in "$0" "$@"; do printf '%s\\0' "$word"; done >> "$CALLED"
"""


@pytest.fixture
def called(pristine: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which `python` and `sedlib` note how they were called, instead of doing anything."""
    for name in ("python", "sedlib"):
        (tmp_path / name).write_text(STAND_IN)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("CALLED", str(tmp_path / "called"))
    monkeypatch.chdir(pristine.folder)
    return tmp_path / "called"


def reading_params(repo: Repo) -> list[Stage]:
    """A stage of each kind that is made of a list in params.yaml; each list has one item."""
    return [stage for stage in repo.index.stages if "@" in stage.addressing]


@pytest.mark.parametrize("text", SHELL.values(), ids=SHELL)
def test_a_shell_sees_one_word_where_a_text_stands(text: str, pristine: Clone, called: Path) -> None:
    """DVC runs the commands of stages that nothing of ours has checked."""
    pristine.set(**everywhere(text))
    with Repo(".") as repo:
        stages = reading_params(repo)
        assert len({stage.addressing.partition("@")[0] for stage in stages}) == 16
        for stage in stages:
            called.unlink(missing_ok=True)
            with suppress(StageCmdFailedError):  # a text of several lines is cut, inside of its quotes
                cmd_run(stage)
                words = called.read_bytes().decode().split("\0")
                assert words[words.index("--run") + 1] == text.replace("\\${", "${")  # which DVC does last
    assert not list(pristine.folder.rglob("canary"))


@pytest.mark.parametrize("value", [{"$(touch canary)": 1}, {"a": {"'; touch canary; '": 1}}, ["$(touch canary)"]])
def test_dvc_refuses_what_it_would_not_quote(value: Any, pristine: Clone, called: Path) -> None:
    pristine.set(ablation={**TINY["ablation"], "runs": [value]})
    with Repo(".") as repo, pytest.raises(ResolveError, match="Cannot interpolate data of type"):
        list(repo.index.stages)


@pytest.mark.slow
def test_nothing_runs_and_the_key_is_named(pristine: Clone) -> None:
    text = "'; touch canary; $(touch canary) '"
    pristine.set(**everywhere(text))
    addresses = [f"{kind}@{text}" for kind in ("train", "coupling", "geometry/dvc.yaml:curvature")]
    addresses += [f"ablations/dvc.yaml:ablate@{text}-window", f"interventions/dvc.yaml:control@{text}"]
    for command in (
        ["dvc", "repro"],
        ["dvc", "repro", addresses[1]],
        ["dvc", "repro", "--keep-going", "--single-item", *addresses],
        ["sedlib", "check"],
        ["sedlib", "repro"],
    ):
        done = pristine.call(*command)
        assert done.returncode != 0, command
        assert "--single-item" in command or "params.yaml: key \"runs.'; touch" in done.stderr, done.stderr
        assert not list(pristine.folder.rglob("canary"))
    assert not (pristine.folder / "artifacts/code").exists()


def test_a_command_that_dvc_would_not_survive_is_refused_before_dvc_reads_it(pristine: Clone) -> None:
    pristine.set(runs={"": TINY["runs"]["add-1"]})
    for command in ("repro", "check"):
        assert pristine.call("sedlib", command).stderr == (
            "error: params.yaml: runs: run name '' cannot be a file name; use letters, digits, - and _, "
            "first a letter or digit\n"
        )


def test_commands_that_print_a_run_read_no_other_folder(pristine: Clone) -> None:
    for command in ("summary", "ablations", "phases", "geometry"):
        done = pristine.call("sedlib", command, "../../../etc")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("error: run name '../../../etc' cannot be a file name")


def test_a_name_that_leads_elsewhere_touches_nothing_there(pristine: Clone) -> None:
    """DVC removes a stage's outputs before it runs; the code stage comes first."""
    precious = pristine.folder / "precious.csv"
    precious.write_text("of the user")
    pristine.set(runs={"../../precious": TINY["runs"]["add-1"]})
    assert "'precious.h5' is specified in" in pristine.call("dvc", "repro", "dump@../../precious").stderr
    lists = {"runs": ["add-1"], "projections": ["update"], "conditions": ["x/../../../../precious"]}
    pristine.set(interventions={**TINY["interventions"], **lists})
    stage = "interventions/dvc.yaml:intervene@add-1-update-x/../../../../precious"
    for command in (["dvc", "repro", stage], ["sedlib", "repro", stage]):
        assert "unknown condition 'x/../../../../precious'" in pristine.call(*command).stderr
    assert precious.read_text() == "of the user"
