"""What the documentation says is so: its program runs, its tables are the schemas, its links and names exist."""

import ast
import json
import re
import subprocess
import tomllib
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import torch
from ruamel.yaml import YAML
from torch.nn.attention import SDPBackend, sdpa_kernel

from sedlib.cli import main
from sedlib.coupling import jvp
from sedlib.grokking.setup.experiment import Experiment
from sedlib.grokking.setup.params import Params
from sedlib.grokking.study import Grokking
from sedlib.pipeline.artifacts import ArtifactSchema
from sedlib.pipeline.centroids.centroid_file import centroids_schema
from sedlib.pipeline.dag import overview
from sedlib.pipeline.parameters.basis_params import BasisParams
from sedlib.pipeline.parameters.params_page import params_page
from sedlib.pipeline.parameters.sections import read_params
from sedlib.pipeline.rows.bases_file import bases_schema
from sedlib.pipeline.rows.checkpoint_file import checkpoints_schema
from sedlib.pipeline.rows.streams import gradients_schema
from sedlib.report.judged.listing import claims
from sedlib.report.metrics.derived import derived
from sedlib.report.numbers.digits import number
from sedlib.report.page.documents import TEMPLATES, rendered
from sedlib.report.page.outgoing import as_markdown
from sedlib.report.page.vocabulary import value_at
from sedlib.report.page.writing import write_page
from tests.imports import ROOT

AT_THE_ROOT = [ROOT / f"{name}.md" for name in ("README", "CHANGELOG", "CONTRIBUTING", "SECURITY")]
PAGES = [
    *AT_THE_ROOT,
    ROOT / "artifacts/README.md",
    ROOT / "processors/README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]


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


STUDY = Grokking(Experiment.load("multitask-42", ROOT / "params.yaml"))
NETWORK = STUDY.network()
SCHEMAS = [
    checkpoints_schema(STUDY.to_json(), STUDY.inputs, NETWORK, STUDY.slots(NETWORK)),
    gradients_schema(STUDY),
    bases_schema(STUDY, BasisParams()),
    centroids_schema(STUDY, 8),
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.name)
def test_every_dataset_is_documented(schema: ArtifactSchema) -> None:
    page = (ROOT / "docs/artifacts.md").read_text()
    section = page.split(f"## {schema.tag} — `artifacts/{schema.name}/RUN.h5`, written by `{schema.stage}`")[1]
    section = section.split("\n## ")[0]
    rows = re.findall(r"^\| `(.*?)`( \(optional\))? \| (.*?) \| (\w+) \| (.*?) \|$", section, re.MULTILINE)
    unused = {row[0] for row in rows}
    for name, dataset in schema.datasets.items():
        pattern, optional, axes, *rest = next(row for row in rows if fnmatchcase(name, row[0]))
        unused.discard(pattern)
        assert (bool(optional), *rest) == (dataset.optional, dataset.dtype, dataset.description), name
        named = [axis if isinstance(axis, str) else "N" for axis in dataset.axes]
        assert fnmatchcase(", ".join(named), re.sub(r"(?<= )(k|W \+ 1|W)(?=,|$)", "N", axes).replace("…", "*")), name
    assert not unused


def test_the_page_of_parameters_is_the_schema() -> None:
    page = params_page(Params, read_params(ROOT / "params.yaml"))
    assert (ROOT / "docs/parameters.md").read_text() == page, "write it anew: sedlib parameters > docs/parameters.md"


def test_the_page_of_the_pipeline_has_what_sedlib_dag_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert overview() in (ROOT / "docs/pipeline.md").read_text(), "put it in anew: sedlib dag"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target, heading in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", page.read_text()):
        linked = page.parent / target if target else page
        assert linked.exists(), f"{page.name} links to {target}"
        assert not heading or heading in anchors(linked.read_text()), f"{page.name} links to {target}#{heading}"


def anchors(page: str) -> set[str]:
    """Of its headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_is_in_the_navigation_of_the_site_and_on_the_page_of_pages() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    index = (ROOT / "docs/index.md").read_text()
    for page in {page.name for page in (ROOT / "docs").glob("*.md")} - {"index.md"}:
        assert f"- {page}\n" in navigation, f"mkdocs.yml lacks {page}"
        assert f"[{page}]({page})" in index, f"docs/index.md lacks {page}"


def test_the_readme_is_read_in_a_screen_or_two() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= 120
    assert max(len(line) for line in lines if line.startswith("| ")) < 240  # a cell holds a number, and no story


def test_the_page_of_commands_has_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    commands = re.findall(r"^    ([a-z]+)\b", capsys.readouterr().out, re.MULTILINE)
    page = (ROOT / "docs/commands.md").read_text()
    assert len(commands) > 15
    assert [command for command in commands if not re.search(rf"^sedlib {command}\b", page, re.MULTILINE)] == []


FILES_NAMED = re.compile(
    r"`((?:sedlib|stages|tests|benchmarks|docs|sweeps|geometry|interventions|ablations)/[\w./-]*)`"
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_a_page_names_exist(page: Path) -> None:
    for name in FILES_NAMED.findall(page.read_text()):
        assert (ROOT / name).exists(), f"{page.name} names {name}"


def tree_of_the_repository() -> dict[str, str]:
    """What the tree says of each path; a line that starts in the texts' column goes on with the one before."""
    tree = re.search(r"```text\n(.*?)```", (ROOT / "docs/repository.md").read_text(), re.DOTALL)
    assert tree
    named: dict[str, str] = {}
    folders: list[str] = []
    for line in re.sub(r"\n {20,}", " ", tree[1]).splitlines():
        depth, (name, *text) = (len(line) - len(line.lstrip())) // 2, line.split()
        folders[depth:] = [name]
        named["".join(folders)] = " ".join(text)
    return named


def test_the_tree_is_the_repository() -> None:
    """All of the root, every room and every file of the library, and nothing that is not there."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    files = [Path(name) for name in listed if name and not name.startswith(".")]
    folders = {f"{folder}/" for file in files for folder in file.parents if folder != Path()}
    named = tree_of_the_repository().keys()
    assert named <= folders | {str(file) for file in files}
    rooms = {folder for folder in folders if folder.startswith("sedlib/") or folder.count("/") == 1}
    library = {str(file) for file in files if file.parent == Path("sedlib") and file.name != "__init__.py"}
    pages = {str(file) for file in files if file.parent == Path("docs")}
    assert {str(file) for file in files if file.parent == Path()} - {"README.md"} | rooms | library | pages <= named


def test_the_tree_says_of_a_room_what_its_first_file_says() -> None:
    for path, text in tree_of_the_repository().items():
        if path.startswith("sedlib/") and path.endswith("/") and path != "sedlib/":
            docstring = ast.get_docstring(ast.parse((ROOT / path / "__init__.py").read_text())) or ""
            sentence = docstring.splitlines()[0].rstrip(".")
            assert text.casefold() == sentence.casefold(), f"{path}: the tree and its __init__.py differ"


@pytest.mark.parametrize("page", TEMPLATES, ids=str)
def test_the_pages_are_what_their_templates_give_with_the_reports_numbers(page: Path) -> None:
    numbers = json.loads((ROOT / "reports/metrics.json").read_text())
    assert rendered(ROOT, TEMPLATES[page], numbers) == (ROOT / page).read_text(), "render it anew: sedlib documents"


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=str)
def test_a_source_of_typed_numbers_that_is_a_file_exists(template: Path) -> None:
    for source in re.findall(r'typed\("(.*?)"\)', (ROOT / template).read_text()):
        assert " " in source or (ROOT / source).exists(), f"{template} has numbers typed from {source}"


def test_the_reports_claims_are_those_of_its_numbers() -> None:
    numbers = json.loads((ROOT / "reports/metrics.json").read_text())
    assert derived(numbers) == numbers["derived"]
    assert (ROOT / "reports/claims.md").read_text() == as_markdown(claims(numbers)), "write it anew: make report"


@pytest.mark.slow
def test_the_reports_page_is_what_its_other_files_give(tmp_path: Path) -> None:
    for file in (ROOT / "reports").iterdir():
        if file.name != "index.html":
            (tmp_path / file.name).symlink_to(file)
    write_page(tmp_path)
    assert (tmp_path / "index.html").read_text() == (ROOT / "reports/index.html").read_text(), "run: sedlib documents"


def test_every_number_in_prose_agrees_with_its_place_at_its_printed_precision() -> None:
    """By another way than the one that prints them: rounding what metrics.json holds."""
    numbers = json.loads((ROOT / "reports/metrics.json").read_text())
    places = re.findall(r'{{ n\("(\S+)"\) }}', (ROOT / "docs/templates/results.md.j2").read_text())
    assert len(places) > 50
    for place in places:
        printed = number(value_at(numbers, place)).replace(",", "")
        half = Decimal(5).scaleb(int(Decimal(printed).as_tuple().exponent) - 1)
        assert abs(Decimal(str(value_at(numbers, place))) - Decimal(printed)) <= half, f"{printed} at {place}"


def test_a_page_holds_one_comment_which_names_its_template() -> None:
    for page, template in TEMPLATES.items():
        comments = re.findall(r"<!--.*", (ROOT / page).read_text())
        assert len(comments) == 1, page
        assert str(template) in comments[0]


def test_the_citation_is_of_this_version_and_licence() -> None:
    citation = YAML(typ="safe").load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (citation["title"], citation["version"]) == ("sedlib", project["version"])
    assert citation["license"] == project["license"]
    cited = {reference["identifiers"][0]["value"] for reference in citation["references"]}
    assert cited >= {"arXiv:2604.25143", "arXiv:2602.16746"}
    assert all(author["family-names"] for reference in citation["references"] for author in reference["authors"])
