"""Files of parameters that nobody should be sent: each is refused at once, in one line that says where and why."""

import gzip
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sedlib.base.errors import UserError
from sedlib.grokking.setup.params import Params
from tests.imports import ROOT

REAL = (ROOT / "params.yaml").read_text()
Change = Callable[[str], str]
FUZZED = int(os.environ.get("SEDLIB_FUZZED", "100"))
"""Mutations of the real file that are tried."""


def but(before: str, after: str) -> Change:
    """The committed file with one place changed."""

    def change(text: str) -> str:
        assert before in text, before
        return text.replace(before, after, 1)

    return change


def top(line: str) -> Change:
    """One more line."""
    return lambda text: f"{text}\n{line}\n"


def size(**values: int) -> Change:
    """Other sizes of the network, the data and the first run."""

    def change(text: str) -> str:
        for key, value in values.items():
            text, count = re.subn(rf"\b{key}: \d+", f"{key}: {value}", text, count=1)
            assert count or key in ("max_steps", "checkpoint_every"), key
        return text

    return change


def runs(count: int) -> str:
    return "runs:\n" + "".join(f"  r{number}: {{ops: [add], seed: {number}}}\n" for number in range(count))


def listed(count: int) -> str:
    return "[" + ", ".join(f"r{number}" for number in range(count)) + "]"


EVERY_STEP = "add-42: {ops: [add], seed: 42, checkpoint_every: 1, max_steps: 49000}"
FIRST = "add-42: {ops: [add], seed: 42}"
LINE = REAL.splitlines().index(f"  {FIRST}") + 1
TEXTS: dict[str, tuple[str | bytes | Change, str]] = {
    # what the file is
    "empty": ("", "must hold a mapping of names to values, got NoneType"),
    "comments alone": ("# nothing\n" * 3, "must hold a mapping"),
    "a list": ("- window: 20\n", "must hold a mapping of names to values, got list"),
    "a text": ("window", "must hold a mapping of names to values, got str"),
    "a megabyte of comments": (lambda text: text + "#" * 2**20, "more than 262,144 bytes"),
    "a megabyte of spaces in a value": (but("20", " " * 2**20 + "20"), "more than 262,144 bytes"),
    "UTF-16": (REAL.encode("utf-16"), "line 1 is not valid YAML: byte 0xff is no UTF-8"),
    "Latin-1": (b"window: 20\n# \xe9\n", "line 2 is not valid YAML: byte 0xe9 is no UTF-8"),
    "byte order mark": (b"\xef\xbb\xbf" + REAL.encode(), "line 1 begins with a byte order mark"),
    "NUL": (lambda text: text + "a: \0", "control characters are not allowed"),
    "an HDF5 file": (b"\x89HDF\r\n\x1a\n" + bytes(100), "byte 0x89 is no UTF-8"),
    "gzip": (gzip.compress(REAL.encode()), "is no UTF-8"),
    # what YAML it is
    "tabs": (lambda text: text + "a:\n\tb: 1\n", "found character that cannot start any token"),
    "two documents": (lambda text: text + "---\n" + text, "found another document"),
    "a directive": (lambda text: "%YAML 1.1\n---\n" + text, "line 1: a directive"),
    "a tag directive": (lambda text: "%TAG ! tag:yaml.org,2002:\n---\n" + text, "a directive"),
    "an open list": (top("a: [1, 2"), "not valid YAML"),
    "an open quote": (top("a: 'x"), "found unexpected end of stream"),
    "a key twice": (top("window: 1"), "key window is given twice, first in line 3"),
    "a run twice": (top("  add-42: {ops: [mul], seed: 1}"), f"key runs.add-42 is given twice, first in line {LINE}"),
    "a key twice in braces": (but("{size: 512,", "{size: 1, size: 512,"), "key gradient_batch.size is given twice"),
    "a merge key": (but("{ops: [add], seed: 42}", "{<<: {seed: 1}, ops: [add]}"), "the merge key <<"),
    "an alias": (but(FIRST, "add-42: &a {ops: [add], seed: 42}\n  b: *a"), f"line {LINE + 1}: the alias *a stands for"),
    "a merged alias": (top("a: &a {b: 1}\nc: {<<: *a}"), "the merge key <<"),
    "a list in itself": (top("a: &a [*a]"), "the alias *a stands for"),
    "a tag of Python": (top("a: !!python/object/apply:os.system [id]"), "asks for a type; leave it out"),
    "a binary": (but("seed: 0", "seed: !!binary MA=="), "the tag 'tag:yaml.org,2002:binary' asks for a type"),
    "a tagged number": (but("window: 20", "window: !!int '20'"), "asks for a type"),
    "a tag of its own": (but("window: 20", "window: !mine 20"), "the tag '!mine' asks for a type"),
    "a set": (top("a: !!set {b, c}"), "asks for a type"),
    "a list as a key": (top("? [a, b]\n: 1"), "a key is a list or a mapping"),
    "a number as a key": (but("add-42:", "42:"), "runs.42 is a key of type int"),
    "null as a key": (top("~: 1"), "None is a key of type NoneType"),
    "a date": (but("seed: 0", "seed: 2026-01-01"), "gradient_batch.seed = datetime.date(2026, 1, 1) is a date"),
    "a day that is not": (but("seed: 0", "seed: 2026-02-31"), "not valid YAML: day "),
    "a time": (but("window: 20", "window: 2026-01-01T00:00:00Z"), "is a datetime"),
    "the value of nothing": (but("window: 20", "window: ="), "could not determine a constructor"),
    "thirty mappings deep": (top("a: " + "{a: " * 30 + "1" + "}" * 30), "more than 20 levels of nesting"),
    "a million brackets": (top("a: " + "[" * 200_000), "more than 20 levels of nesting"),
    # numbers
    "5,000 digits": (but("seed: 42", "seed: " + "9" * 5000), "Exceeds the limit (4300 digits)"),
    "64 bits": (but("seed: 42", f"seed: {2**64}"), "runs.add-42.seed is a number of 65 bits"),
    "33 bits": (but("seed: 42", "seed: 0x1FFFFFFFF"), "runs.add-42.seed = 8589934591 must be less than or equal"),
    "100,000 binary digits": (but("seed: 42", "seed: 0b" + "1" * 100_000), "is a number of 100000 bits"),
    "not a number": (but("lr: 0.001", "lr: .nan"), "optimizer.lr = nan must be a finite number"),
    "infinity": (but("clip_norm: 1.0", "clip_norm: .inf"), "optimizer.clip_norm = inf must be a finite number"),
    "too large for a float": (but("lr: 0.001", "lr: 1e999"), "optimizer.lr = inf must be a finite number"),
    "underscores": (
        but("window: 20", "window: 1_000_000_000"),
        "window = 1000000000 must be less than or equal to 10000",
    ),
    "sexagesimal": (but("window: 20", "window: 1:30"), "window = '1:30' must be a valid integer, got str"),
    "yes": (but("window: 20", "window: true"), "window = True must be a valid integer, got bool"),
    "a float": (but("window: 20", "window: 20.0"), "window = 20.0 must be a valid integer, got float"),
    "a quoted number": (but("lr: 0.001", "lr: '0.001'"), "optimizer.lr = '0.001' must be a valid number, got str"),
    "null": (but("window: 20", "window:"), "window = None must be a valid integer, got NoneType"),
    "a list for a number": (but("window: 20", "window: [20]"), "window = [20] must be a valid integer, got list"),
    "no steps": (but("checkpoint_every: 200", "checkpoint_every: 0"), "checkpoint_every = 0 must be greater than 0"),
    # lists and names
    "a mapping for a list": (
        but("runs: [add-42]", "runs: {add-42: 1}"),
        "ablation.runs = {'add-42': 1} must be a valid list",
    ),
    "a text for a list": (but("runs: [add-42]", "runs: add-42"), "ablation.runs = 'add-42' must be a valid list"),
    "no runs": (lambda text: text.split("\nruns:")[0] + "\nruns:\n", "runs = None must be a valid dictionary"),
    "runs in a list": (
        lambda text: text.split("\nruns:")[0] + "\nruns: [add-42]\n",
        "runs = ['add-42'] must be a valid dict",
    ),
    "two cases of a name": (top("  ADD-42: {ops: [add], seed: 1}"), "'add-42' and 'ADD-42' name the same files"),
    "a run listed twice": (
        but("runs: [add-42]", "runs: [add-42, add-42]"),
        "ablation.runs: 'add-42' and 'add-42' name",
    ),
    "one run under two names": (top("  other: {ops: [add], seed: 42}"), "runs add-42 and other are one run"),
    "the name of a folder": (
        top("  Interventions: {ops: [add], seed: 1}"),
        "is that of the folder of intervention tables",
    ),
    "another alphabet": (but("window: 20", "w\u0456ndow: 20"), "key 'wіndow' has 'і'"),
    "written backwards": (top("  a\u202e1: {ops: [add], seed: 1}"), "key 'runs.a\\u202e1' has '\\u202e'"),
    "an invisible letter": (top('  "a\\u200b": {ops: [add], seed: 1}'), "has '\\u200b'"),
    "a bell": (top('  "a\\a": {ops: [add], seed: 1}'), "has '\\x07'"),
    "a surrogate": (top('  "a\\ud800": {ops: [add], seed: 1}'), "invalid Unicode character escape code"),
    "a long key": (
        top("a" * 100_000 + ": 1"),
        "not valid YAML: while scanning a simple key, could not find expected ':'",
    ),
    "a long quoted key": (top(f'"{"a" * 1000}": 1'), "has 1,000 characters, and may have 200"),
    "a thousand operations": (but("ops: [add]", f"ops: [{', '.join(['add'] * 1000)}]"), "an operation is repeated"),
    # how many, and how large together
    "1,001 runs": (lambda text: text.split("\nruns:")[0] + "\n" + runs(1001), "should have at most 1000 items"),
    "a value twice": (but("batch_seed: [0, 1", "batch_seed: [0, 0"), "ablation.batch_seed has a value twice"),
    "101 values": (but("epsilon: [", f"epsilon: [{'0.1, ' * 100}"), "ablation.epsilon = [0.1, 0.1,"),
    "15,000 cells": (
        lambda text: re.sub(
            r"(?<=  runs: )\[add-42, .*mul.*?\]",
            listed(1000),
            re.sub(r"(?<=single_step:\n  runs: )\[.*?\]", "[]", text.split("\nruns:")[0]) + "\n" + runs(1000),
        ),
        "interventions asks for 15,",
    ),
    "half a million checkpoints": (
        but(FIRST, "add-42: {ops: [add], seed: 42, checkpoint_every: 1, max_steps: 500000}"),
        "are 500,001 checkpoints, more than 50,000 checkpoints of a run",
    ),
    "11,020 ablations": (
        lambda text: but("runs: [add-42]", f"runs: {listed(290)}")(text + runs(290).partition("\n")[2]),
        "ablation asks for 11,020 of at most 10,000 cells",
    ),
    "a large network": (size(d_model=32768, layers=100), "training would take"),
    "a large batch": (
        lambda text: size(d_model=4096)(text).replace("512, clip", "9000000, clip"),
        "a training batch would take",
    ),
    "many large heads": (size(heads=1000, d_model=1000, p=9973), "attention would take"),
    "many large rows": (
        lambda text: but(FIRST, EVERY_STEP)(size(d_model=512)(text)),
        "the rows of a stream would take",
    ),
    "many large windows": (
        lambda text: but(FIRST, EVERY_STEP)(
            re.sub(r"every: 200, max_steps: 60000", "every: 10, max_steps: 60000", text)
        ).replace("window: 20\nrank", "window: 500\nrank"),
        "window",
    ),
    "many directions": (
        lambda text: size(d_model=1024)(text).replace(
            "random_directions: {count: 20", "random_directions: {count: 9999"
        ),
        "the random directions would take",
    ),
    "many subspaces": (
        but("random_subspaces: 5", "random_subspaces: 9999"),
        "the bases of commutators and random subspaces",
    ),
    "many coordinates": (
        but("coordinates: [0,", "coordinates: [131073,"),
        "interventions.coordinates has 131,073, but the target",
    ),
}


def content(made: str | bytes | Change) -> bytes:
    if callable(made):
        made = made(REAL)
    return made if isinstance(made, bytes) else made.encode()


CHILD = """
import json, resource, signal, sys, time
from sedlib.cli import main

resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
found = {}
for path in sys.argv[1:]:
    signal.alarm(10)  # which kills
    begin = time.monotonic()
    try:
        main(["check", path])
        found[path] = "accepted"
    except SystemExit as ended:
        found[path] = str(ended.code)
    except BaseException as error:
        found[path] = f"traceback: {error!r}"
    print(json.dumps([path, found[path]]), flush=True)
"""
"""Checks files one after another, in a gigabyte, and dies of a file that takes ten seconds."""


def checked(paths: list[Path]) -> dict[str, str]:
    """By the file's name, how `sedlib check` ended."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", CHILD, *map(str, paths)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {Path(path).name: ended for path, ended in map(json.loads, done.stdout.splitlines())}


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("hostile")
    for name, (made, _) in TEXTS.items():
        (folder / name).write_bytes(content(made))
    os.mkfifo(folder / "a pipe")
    (folder / "a loop").symlink_to(folder / "a loop")
    (folder / "no end").symlink_to("/dev/zero")
    (folder / "a folder").mkdir()
    return checked(sorted(folder.iterdir()))


@pytest.mark.parametrize("name", TEXTS)
def test_each_is_refused_in_one_line_that_says_where_and_why(name: str, ends: dict[str, str]) -> None:
    _, message = TEXTS[name]
    assert ends[name].startswith("error: /"), ends[name]
    assert message in ends[name]
    assert len(ends[name].splitlines()) == 1
    assert len(ends[name]) < 1000


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a pipe", "is not a regular file"),
        ("no end", "is not a regular file"),
        ("a folder", "Is a directory"),
        ("a loop", "Too many levels of symbolic links"),
    ],
)
def test_what_is_no_file_is_refused(name: str, message: str, ends: dict[str, str]) -> None:
    assert message in ends[name]


def test_the_real_one_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(REAL)
    assert checked([path]) == {"params.yaml": "accepted"}


TOKENS = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "- ",
    "? ",
    "&a ",
    "*a",
    "!!",
    "'",
    '"',
    "#",
    "|",
    ">",
    "%",
    "@",
    "`",
    "\n",
    "\t",
    "  ",
]
TOKENS += ["<<", "~", "=", ".nan", "-.inf", "1e999", "0x", "0b", "_", "9" * 30, "-1", "0", "true", "null", "2026-13-01"]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """The committed file after a few cuts, copies and insertions."""
    text = REAL.encode()
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(text)))
        stop = draw(st.integers(start, min(len(text), start + 60)))
        other = draw(st.integers(0, len(text)))
        new = (
            draw(st.sampled_from(TOKENS).map(str.encode) | st.binary(max_size=4) | st.text(max_size=3).map(_encoded))
            if draw(st.booleans())
            else text[other : other + draw(st.integers(0, 200))]
        )
        text = text[:start] + new + text[stop:]
    return text


def _encoded(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


@settings(max_examples=FUZZED, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=mutated())
def test_whatever_a_file_has_become_it_is_accepted_or_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with suppress(UserError):
        Params.load(path)
