"""Lists the licences of all that constraints.txt pins, as the packages installed here state them, in Markdown.

python .ci/licences.py > docs/licences.md
"""

import re
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parent.parent
HEAD = Path(__file__).with_name("licences_head.md")


def licence(package: str) -> str:
    """As the package states it: its expression, a short name, or its classifiers."""
    found = metadata.metadata(package)
    classifiers = [text for text in found.get_all("Classifier") or [] if text.startswith("License :: OSI Approved :: ")]
    named = ", ".join(text.rpartition(" :: ")[2] for text in classifiers)
    text = next((line.strip() for line in (found.get("License") or "").splitlines() if re.search(r"\w", line)), "")
    plain = text if len(text) < 40 and not text.startswith("Copyright") else ""
    return (found.get("License-Expression") or plain or named or text).replace(" | ", " or ")


def direct() -> dict[str, str]:
    """What pyproject.toml asks for, each with the extra that it belongs to; an extra may contain others."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = {"sedlib": project["dependencies"], **project["optional-dependencies"]}
    asked = {normal(line): group for group, lines in reversed(groups.items()) for line in lines}
    return {name: group for name, group in asked.items() if name != project["name"]}


def pinned() -> Iterator[str]:
    """Names in constraints.txt."""
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if "==" in line:
            yield line.partition("==")[0]


def normal(requirement: str) -> str:
    """The name in a requirement, as registries compare names."""
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", requirement)[0]).lower()


def page() -> str:
    """The whole page."""
    asked = direct()
    rows = (
        f"| {name} | {licence(name)} | {asked.get(normal(name), '')} |\n" for name in sorted(pinned(), key=str.lower)
    )
    table = f"| package | licence | asked for by |\n|---|---|---|\n{''.join(rows)}"
    return f"{HEAD.read_text()}\n## All packages\n\n{table}"


if __name__ == "__main__":
    print(page(), end="")
