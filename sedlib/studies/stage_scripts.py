"""Stages of a study's project, and the scripts that `sedlib stage` runs for them. No torch."""

import ast
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import cast

from sedlib.pipeline.code.current import shipped_file

SHARED = ("dump", "bases", "centroids", "coupling", "figures", "trajectory", "curvature", "single_step")
"""Stages whose scripts are the paper's, too."""
OF_STUDIES = ("code", "train", "finished", "frozen", "report")
"""Stages that only a study's project has."""
STAGES = {name: f"stages/{name}.py" for name in SHARED} | {
    name: f"sedlib/studies/scripts/{name}.py" for name in OF_STUDIES
}
"""Script of each stage, as texts of code name it."""


def script_of(stage: str) -> Path:
    """Where the script of a stage lies."""
    return shipped_file(STAGES[stage])


def run_script(stage: str, arguments: Sequence[str]) -> None:
    """Run a stage's script in the working directory, the project's folder."""
    sys.argv = [str(Path.cwd() / "stages" / f"{stage}.py"), *arguments]  # where its text of code is looked for
    loader = SourceFileLoader("__main__", str(script_of(stage)))  # runpy would put the script's path into sys.argv
    loader.exec_module(module_from_spec(cast(ModuleSpec, spec_from_loader("__main__", loader))))


def described_stages() -> str:
    """A line for each stage: its name, and what it does."""
    sentences = {
        name: ast.get_docstring(ast.parse(script_of(name).read_text(encoding="utf-8"))) or "" for name in STAGES
    }
    return "\n".join(f"  {name:<12} {text.splitlines()[0]}" for name, text in sentences.items())
