"""Hooks of MkDocs: what the pages link to outside of docs/ comes along, and the listing of the library becomes a page.

A page links as it must on a host of repositories. On the site docs/ is the root: a linked file of another folder is
copied beside the pages, a page of the repository's root stands under root/, and a folder is named and not linked.
"""

import ast
import re
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
STYLE = """
.wy-nav-content { max-width: 1150px; }
.wy-table-responsive table td, .wy-table-responsive table th { white-space: normal; min-width: 6rem; }
.wy-table-responsive table td code { white-space: normal; overflow-wrap: anywhere; }
.doc-class > .doc-heading, .doc-function > .doc-heading { border-top: 1px solid #e1e4e5; padding-top: 1rem; }
.doc-class .doc-children { border-left: 3px solid #e1e4e5; margin-left: 0.3rem; padding-left: 1.2rem; }
.doc-class .doc-children .doc-heading { border-top: 0; padding-top: 0; font-size: 100%; margin-bottom: 0.5rem; }
"""
"""The theme would keep a table's cell on one line, and would show a class and its members alike."""
MERMAID = re.compile(r"```mermaid\n(.*?)```", re.DOTALL)
DRAWING = """<details markdown="1"><summary>The drawing of the stages, as a source in Mermaid</summary>

```text
{}```

</details>"""
"""Nothing on the site draws Mermaid, as hosts of repositories do."""
LINK = re.compile(r"(\]\()([^)#:\s]+)((?:#[^)]*)?\))")


def slug(text, separator):
    """An anchor as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", separator)


def on_config(config):
    """Anchors as on the host."""
    config["mdx_configs"]["toc"] = {"slugify": slug, "permalink": False}
    return config


def on_files(files, config):
    """The listing's page, the root's pages, and every file that a page links to."""
    files.append(File.generated(config, "api.md", content=api_page()))
    files.append(File.generated(config, "site.css", content=STYLE))
    for name in ("README", "CHANGELOG", "CONTRIBUTING", "SECURITY"):
        text = (ROOT / f"{name}.md").read_text()
        files.append(File.generated(config, f"root/{place_of(f'{name}.md')}", content=text))
    pages = [ROOT / "docs" / file.src_uri for file in files.documentation_pages() if file.abs_src_path]
    for page in [*pages, *ROOT.glob("*.md")]:
        for _, target, _ in LINK.findall(page.read_text()):
            found = (page.parent / target).resolve()
            if found.is_file() and ROOT in found.parents and found.suffix != ".md":
                place = str(found.relative_to(ROOT)).removeprefix("docs/")
                if not files.get_file_from_path(place):
                    files.append(File.generated(config, place, abs_src_path=str(found)))
    return files


def on_page_markdown(markdown, page, config, files):
    """Links as they lead on the site."""
    uri = page.file.src_uri
    here = ROOT if uri.startswith("root/") else ROOT / "docs"

    def led(match):
        before, target, after = match.groups()
        found = (here / target).resolve()
        if not found.exists():
            return match[0]
        place = str(found.relative_to(ROOT))
        if found.is_dir():
            return "](" + ("../" if uri.startswith("root/") else "") + "repository.md)"
        if found.suffix == ".md" and found.parent == ROOT:
            place = f"root/{place_of(place)}"
        elif found.suffix == ".md" and not place.startswith("docs/"):
            return "](" + ("../" if uri.startswith("root/") else "") + "repository.md)"
        place = place.removeprefix("docs/")
        return f"{before}{'../' if uri.startswith('root/') else ''}{place}{after}"

    return LINK.sub(led, MERMAID.sub(lambda source: DRAWING.format(source[1]), markdown))


def place_of(name):
    """A README would be taken for the index of its folder."""
    return name.replace("README.md", "readme-first.md")


def api_page():
    """Every name of the listing, under the headings that it has there."""
    source = (ROOT / "sedlib/__init__.py").read_text()
    listing = source[source.index("if TYPE_CHECKING:  # the public listing") :]
    lines = [
        "# The library",
        "",
        "Every public name of `sedlib`. `import sedlib` gives all of them: `sedlib.measure`, `sedlib.Probes`. "
        "A test runs every example.",
        "",
    ]
    known = set()
    for block in re.split(r"\n    # ", listing)[1:]:
        title, _, code = block.partition("\n")
        body = re.sub(r"^    ", "", code.partition("\n# isort: on")[0], flags=re.MULTILINE)
        imports = [node for node in ast.parse(body).body if isinstance(node, ast.ImportFrom)]
        names = [f"{node.module}.{alias.name}" for node in imports for alias in node.names]
        shown = [
            name for name in names if name not in known
        ]  # of a whole module, only where none of its names is listed
        known |= {node.module for node in imports}
        links = ", ".join(f"[`{name.rpartition('.')[2]}`][{name}]" for name in shown)
        lines += [f"## {title}", "", links, "", *(f"::: {name}\n" for name in shown)]
    return "\n".join(lines)
