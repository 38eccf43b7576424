"""The code that each stage of a study's project uses: of the installed package, of study.py, and which version it is.

As for the paper's stages it is one small text for each, a line ``hash path`` for every file. The first line is the
version of the distribution. No torch.
"""

from functools import cache
from pathlib import Path

from sedlib.base.errors import UserError, listed
from sedlib.base.installed.extras import DISTRIBUTION
from sedlib.pipeline.code.current import installed_version, said_of, shipped_file
from sedlib.pipeline.code.fingerprints import LOADS_STUDY
from sedlib.pipeline.code.imports import imported_modules
from sedlib.studies.stage_scripts import STAGES

GUARDS = {
    "sedlib/pipeline/code/current.py",
    "sedlib/pipeline/code/essence.py",
    "sedlib/studies/definition/study_checks.py",
}
"""They refuse, and change no result."""
STUDY = "study.py"


def project_texts(project: Path) -> dict[str, str]:
    """The text of every stage.

    Raises
    ------
    UserError
        There is no study.py, or a file is no Python, or an import hides where a name comes from.
    """
    if not (project / STUDY).is_file():
        raise UserError(f"no {STUDY} in {project}: run in the folder of a study, or make one with `sedlib init`")
    return {stage: _text(stage, project) for stage in STAGES if stage != "code"}


def why_again(before: dict[str, str], now: dict[str, str]) -> list[str]:
    """A line for each reason why stages run again whose texts differ from those before.

    >>> why_again({"train": "0" * 16 + " study.py"}, {"train": "1" * 16 + " study.py"})
    ["'study.py' changed: train runs again"]
    """
    reasons: dict[str, list[str]] = {}
    for stage in sorted(before.keys() & now.keys()):
        old, new = (_lines(texts[stage]) for texts in (before, now))
        changed = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
        if changed:
            reasons.setdefault(_reason(changed, old, new), []).append(stage)
    return [f"{reason}: {', '.join(stages)} runs again" for reason, stages in reasons.items()]


def _reason(changed: list[str], old: dict[str, str], new: dict[str, str]) -> str:
    if DISTRIBUTION in changed:
        return f"{DISTRIBUTION} is {new.get(DISTRIBUTION)}, was {old.get(DISTRIBUTION)}"
    return f"{listed(changed)} changed"


def _lines(text: str) -> dict[str, str]:
    pairs = (line.partition(" ") for line in text.splitlines())
    return {name: known for known, _, name in pairs}


def _text(stage: str, project: Path) -> str:
    used = _closure({STAGES[stage]}, project)
    if LOADS_STUDY.as_posix() in used:
        used |= _closure({STUDY}, project)
    lines = [f"{_said(name, project)} {name}\n" for name in sorted(used - GUARDS)]
    return "".join([f"{installed_version()} {DISTRIBUTION}\n", *lines])


@cache
def _said(name: str, project: Path) -> str | None:
    """Stages have most files in common."""
    return said_of(name, project)


def _closure(names: set[str], project: Path) -> set[str]:
    """Files of the package and of the project that these files import, and these."""
    found, waiting = set[str](), list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _imported(name, project)
    return found


def _imported(name: str, project: Path) -> list[str]:
    imported = imported_modules(_file(name, project))
    paths = [f"{module.replace('.', '/')}{ending}" for module in imported for ending in (".py", "/__init__.py")]
    return [path for path in paths if not path.endswith("sedlib/__init__.py") and _follows(path, project)]


def _follows(path: str, project: Path) -> bool:
    """Package files of sedlib import nothing."""
    if path.startswith("sedlib/"):
        return not path.endswith("/__init__.py") and shipped_file(path).is_file()
    return (project / path).is_file()


def _file(name: str, project: Path) -> Path:
    return shipped_file(name) if name.startswith(("sedlib/", "stages/")) else project / name
