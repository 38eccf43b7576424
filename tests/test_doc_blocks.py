"""Blocks of code in the documentation: programs run, commands are those that there are, and each kind has a test."""

import argparse
import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import torch
from dvc.cli import parse_args
from ruamel.yaml import YAML

from sedlib.cli import main
from sedlib.report.page.documents import rendered
from tests.imports import ROOT

LISTED = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
RUN_ELSEWHERE = {
    "docs/extending.md": "tests/test_docs.py",
    "docs/experiments.md": "tests/test_experiments.py",
    "docs/your-model.md": "tests/own/test_your_model.py",
    "docs/your-study.md": "tests/studies/test_somebody_elses_network.py",
}
"""Pages whose Python a test of their own runs: it looks at the results, or puts a line into the file that it is for."""
RECIPES_ELSEWHERE = {
    "Sweeps": "tests/test_sweep_packs.py",
    "The tables that git keeps": "tests/test_packed_clone.py",
}
KINDS = {
    "python": "run",
    "sh": "commands are looked up",
    "bash": "commands are looked up",
    "yaml": "parsed",
    "jinja": "rendered",
    "mermaid": "tests/test_docs.py compares it with the pipeline",
    "text": "tests/test_docs.py compares it with the repository",
    "json": "a sketch: it has …, and the table beside it is what is tested",
    "": "what a program printed",
}


@dataclass(frozen=True)
class Block:
    """One block of a page; its language, and the line at which it begins."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(page: str) -> Iterator[Block]:
    text = (ROOT / page).read_text()
    for found in re.finditer(r"^```([^\n]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        line = text.count("\n", 0, found.start()) + 1
        yield Block(page, line, found[1], found[2])


BLOCKS = [block for page in LISTED.splitlines() for block in blocks_of(page)]
SHELL = [block for block in BLOCKS if block.language in ("sh", "bash")]
PYTHON = [block for block in BLOCKS if block.language == "python"]
PLACEHOLDER = re.compile(r"\b[A-Z]{3,}\b")
"""In a command of a sentence, what a reader puts something else for."""


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_is_of_a_kind_that_is_tested(block: Block) -> None:
    assert block.language in KINDS


@pytest.mark.parametrize("page", sorted({block.page for block in PYTHON}))
def test_programs_of_a_page_run(page: str) -> None:
    """One after the other in one scope, as a reader would."""
    if page in RUN_ELSEWHERE:
        assert Path(page).name in (ROOT / RUN_ELSEWHERE[page]).read_text()
        return
    state = torch.get_rng_state()
    scope: dict[str, Any] = {"__name__": page}
    for block in PYTHON:
        if block.page == page:
            lines = "\n" * block.line  # an error names the page's own line
            exec(compile(lines + block.text, page, "exec"), scope)
    torch.set_rng_state(state)


def test_the_readmes_program_prints_what_stands_below_it(capsys: pytest.CaptureFixture[str]) -> None:
    shown = [block for block in BLOCKS if block.page == "README.md"]
    program, printed = (block.text for block in shown if block.language in ("python", ""))
    state = torch.get_rng_state()
    exec(compile(program, "README.md", "exec"), {"__name__": "README.md"})
    torch.set_rng_state(state)
    assert capsys.readouterr().out == printed


def commands(block: Block) -> Iterator[list[str]]:
    """The words of each command of a shell block, without the variables that are set for it alone."""
    for line in block.text.splitlines():
        words = shlex.shlex(line, posix=True, punctuation_chars=True)
        words.whitespace_split, words.commenters = True, "#"
        for ends, command in groupby(words, lambda word: set(word) <= set("();<>|&")):
            found = list(command)
            while found and (re.fullmatch(r"\w+=.*", found[0]) or found[0] in ("nohup", "setsid", "do")):
                found.pop(0)
            if found and not ends:
                yield found


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_a_shell_block_is_valid(block: Block) -> None:
    done = subprocess.run(["bash", "-n"], input=block.text, text=True, capture_output=True, check=False)
    assert not done.returncode, done.stderr


def in_sentences(page: str) -> Block:
    """A page's commands outside of its blocks, as if they were one."""
    prose = re.sub(r"^```.*?^```$", "", (ROOT / page).read_text(), flags=re.MULTILINE | re.DOTALL)
    spans = [" ".join(span.split()) for span in re.findall(r"`((?:sedlib|dvc|make) [^`]+)`", prose)]
    named = [f"{span} --help" if len(span.split()) == 2 and not span.startswith("make") else span for span in spans]
    return Block(page, 1, "sh", "\n".join(span for span in named if not PLACEHOLDER.search(span)))


@pytest.mark.parametrize("block", [*SHELL, *map(in_sentences, LISTED.splitlines())], ids=str)
def test_commands_of_a_page_exist(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is one that the parser of sedlib or DVC takes, with targets that the pipeline has, or a target of make."""
    for program, *arguments in commands(block):
        if program == "sedlib":
            parse_only(arguments, monkeypatch)
        elif program == "make":
            assert all(is_variable(word) if "=" in word else is_made(word) for word in arguments), arguments
        elif program == "dvc":
            targets = dvc_targets(arguments)
            assert all(map(is_stage, targets)), targets


class ParsedError(Exception):
    """The parser took the arguments; nothing was run."""


def parse_only(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    parse = argparse.ArgumentParser.parse_args

    def parse_and_stop(parser: argparse.ArgumentParser, *given: Any) -> None:
        parse(parser, *given)
        raise ParsedError

    with monkeypatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", parse_and_stop)
        with pytest.raises((ParsedError, SystemExit)) as stopped:
            main(arguments)
    assert getattr(stopped.value, "code", 0) == 0, arguments  # 0 after its help


def dvc_targets(arguments: list[str]) -> list[str]:
    """Of a command that DVC's parser takes."""
    try:
        targets = vars(parse_args(arguments)).get("targets") or []
    except SystemExit:  # after its help
        return []
    return targets if isinstance(targets, list) else [targets]


def is_variable(setting: str) -> bool:
    """Whether a recipe of the Makefile uses it."""
    return f"$({setting.partition('=')[0]})" in (ROOT / "Makefile").read_text()


def is_made(target: str) -> bool:
    names = re.findall(r"^([\w%-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return any(re.fullmatch(name.replace("%", r"\w+"), target) for name in names)


def is_stage(target: str) -> bool:
    """Whether a target of DVC is a file of stages, or names a stage in one: of the root's, where it names none."""
    file, _, name = target.rpartition("dvc.yaml")
    path = ROOT / file / "dvc.yaml"
    stage = name.removeprefix(":").partition("@")[0]
    return path.is_file() and (not stage or stage in YAML(typ="safe").load(path.read_text())["stages"])


def test_recipes_of_the_page_of_experiments_are_run() -> None:
    page = (ROOT / "docs/experiments.md").read_text()
    recipes = [section.partition("\n")[0] for section in page.split("\n## ")[1:] if "```sh\n" in section]
    for title in recipes:
        test = RECIPES_ELSEWHERE.get(title, "tests/test_experiments.py")
        assert f'recipe("{title}")' in (ROOT / test).read_text(), f"{test} does not run: {title}"


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "yaml"], ids=str)
def test_settings_can_be_read(block: Block) -> None:
    assert YAML(typ="safe").load(block.text)


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "jinja"], ids=str)
def test_a_template_that_a_page_shows_is_rendered_with_the_reports_numbers(block: Block, tmp_path: Path) -> None:
    numbers = json.loads((ROOT / "reports/metrics.json").read_text())
    template = tmp_path / "shown.md.j2"
    template.write_text(block.text)
    assert "{" not in rendered(ROOT, template, numbers)
