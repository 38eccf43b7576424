"""What the documentation says is so: its program runs, its tables are the schemas, its links and names exist."""

import json
import re
from typing import Any

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from sedlib.coupling import jvp
from sedlib.errors import UserError
from sedlib.grokking.checkpoints import CHECKPOINTS
from sedlib.grokking.params_page import params_page
from sedlib.grokking.readouts import CENTROIDS
from sedlib.grokking.spectra import BASES
from sedlib.grokking.streams import GRADIENTS
from sedlib.report.claims import claims
from sedlib.report.readme import with_claims
from sedlib.store import Schema
from tests.imports import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_program_in_extending_runs_and_gradients_couple_more_than_random() -> None:
    program = "\n".join(re.findall(r"```python\n(.*?)```", (ROOT / "docs/extending.md").read_text(), re.DOTALL))
    state = torch.get_rng_state()
    scope: dict[str, Any] = {"__name__": "extending"}
    exec(compile(program, "docs/extending.md", "exec"), scope)
    torch.set_rng_state(state)
    assert scope["ratios"].shape == (3, 2)
    assert scope["ratios"].mean() > 1
    assert scope["gaps"].k_star.shape == (11,)
    with sdpa_kernel(SDPBackend.MATH):
        exact = jvp(scope["centroids_at"], scope["theta"])(scope["basis"][0])
    torch.testing.assert_close(exact, scope["response"](scope["basis"][0]), rtol=0.05, atol=0)
    assert scope["agreement"].min() > 0.999


@pytest.mark.parametrize("schema", [CHECKPOINTS, GRADIENTS, BASES, CENTROIDS], ids=lambda schema: schema.name)
def test_every_dataset_is_documented(schema: Schema) -> None:
    page = (ROOT / "docs/artifacts.md").read_text()
    section = page.split(f"## {schema.tag} — `artifacts/{schema.name}/RUN.h5`, written by `{schema.stage}`")[1]
    section = section.split("\n## ")[0]
    rows = re.findall(r"^\| `(.*?)` \| (.*?) \| (\w+) \| (.*?) \|$", section, re.MULTILINE)
    assert rows == [
        (name, ", ".join(dataset.axes), dataset.dtype, dataset.description) for name, dataset in schema.datasets.items()
    ]


def test_the_page_of_parameters_is_the_schema() -> None:
    assert (ROOT / "docs/parameters.md").read_text() == params_page(), "write it anew: sedlib parameters"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Any) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_tree_in_the_readme_is_the_repository() -> None:
    assert not re.search(r"@[A-Z]+@", (ROOT / "README.md").read_text())
    tree = re.search(r"```text\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert tree
    named: set[str] = set()
    folders: list[str] = []
    for line in tree[1].splitlines():
        depth, name = (len(line) - len(line.lstrip())) // 2, line.split()[0]
        folders[depth:] = [name]
        named.add("".join(folders))
    for name in named:
        assert (ROOT / name).exists() or name.startswith("artifacts/"), f"the tree names {name}"
    patterns = ("sedlib/**/*.py", "stages/*.py", "benchmarks/*.py", "docs/*.md")
    for file in (file for pattern in patterns for file in ROOT.glob(pattern) if file.name != "__init__.py"):
        assert str(file.relative_to(ROOT)) in named, f"the tree lacks {file.relative_to(ROOT)}"


def test_the_claims_in_the_readme_are_those_of_the_report() -> None:
    readme = (ROOT / "README.md").read_text()
    numbers = json.loads((ROOT / "reports/metrics.json").read_text())
    assert with_claims(readme, claims(numbers)) == readme, "write it anew: make report"


def test_a_readme_without_its_marks_is_refused() -> None:
    with pytest.raises(UserError, match="around its claim table"):
        with_claims("# sedlib", claims({}))
