"""The pipeline by kinds of stages, as `sedlib dag` prints it: a drawing in Mermaid, and a table.

A kind is what a dvc.yaml writes down once, such as ``train`` of all stages ``train@RUN``.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx as nx
from dvc.exceptions import DvcException
from dvc.repo import Repo

from sedlib.base.errors import UserError
from sedlib.base.yaml.yaml_file import read_mapping

ROOT_FILE = "dvc.yaml"
CODE = "artifacts/code/"
"""What every stage depends on; a column that says so would say nothing."""
DESCRIPTION = ".resource.json"
"""What every table has beside it (sedlib/base/described/)."""
MOST_ALIASES = 100
"""In a dvc.yaml."""
NOTHING = "–"
HEAD = "| stage | what it does | reads | writes | parameters |\n|---|---|---|---|---|\n"


@dataclass(frozen=True)
class Kind:
    """One kind of stage: the file that names it, and its name there."""

    file: str
    name: str

    @classmethod
    def of(cls, address: str) -> "Kind":
        """The kind of a stage such as ``geometry/dvc.yaml:trajectory@add-42``, or of ``train@add-42`` in the root."""
        file, _, name = address.rpartition(":")
        return cls(file or ROOT_FILE, name.partition("@")[0])


def overview() -> str:
    """Drawing and table, in Markdown, of what plain ``dvc repro`` runs in the working directory."""
    graph = kinds()
    return f"```mermaid\n{mermaid(graph)}```\n\n{table(graph)}"


def kinds() -> nx.DiGraph:
    """The kinds with an edge to each kind that they need; ``count`` says how many stages are of a kind.

    The kinds are those of the root's dvc.yaml, and those of other files that they need.

    Raises
    ------
    UserError
        DVC finds no repository here, or refuses a file of it.
    """
    graph = nx.DiGraph()
    try:
        with Repo(".") as repo:
            found = repo.index.graph
    except DvcException as error:
        raise UserError(f"no pipeline to draw: {error}") from error
    stages = [stage for stage in found if stage.cmd]
    edges = [(Kind.of(a.addressing), Kind.of(b.addressing)) for a, b in found.edges if a.cmd and b.cmd]
    for kind, count in Counter(Kind.of(stage.addressing) for stage in stages).items():
        graph.add_node(kind, count=count)
    graph.add_edges_from(sorted({(a, b) for a, b in edges if a != b}, key=str))
    own = [kind for kind in graph if kind.file == ROOT_FILE]
    needed = set(own).union(*(nx.descendants(graph, kind) for kind in own))
    return graph.subgraph(needed).copy()


def mermaid(graph: nx.DiGraph) -> str:
    """The kinds and their stages' number, from left to right; arrows that others imply are left out."""
    order = _in_order(graph)
    lines = ["flowchart LR"]
    for file in dict.fromkeys(kind.file for kind in order):
        nodes = [f"    {kind.name}{_label(kind, graph)}" for kind in order if kind.file == file]
        framed = [f'    subgraph {Path(file).parent.name} ["{file}"]', *nodes, "    end"]
        lines += nodes if file == ROOT_FILE else framed
    arrows = nx.transitive_reduction(graph).reverse()
    lines += [f"    {kind.name} --> {then.name}" for kind in order for then in sorted(arrows[kind], key=order.index)]
    return "\n".join(lines) + "\n"


def _label(kind: Kind, graph: nx.DiGraph) -> str:
    count = graph.nodes[kind]["count"]
    return f'["{kind.name} × {count}"]' if count > 1 else f'["{kind.name}"]'


def table(graph: nx.DiGraph) -> str:
    """A row for each kind, upstream first."""
    return HEAD + "".join(f"| {' | '.join(_row(kind))} |\n" for kind in _in_order(graph))


def _in_order(graph: nx.DiGraph) -> list[Kind]:
    """The kinds in order: upstream first, otherwise as dvc.yaml has them."""
    written = {file: list(_declared(file)) for file in {kind.file for kind in graph}}

    def place(kind: Kind) -> tuple[bool, str, int]:
        return kind.file != ROOT_FILE, kind.file, written[kind.file].index(kind.name)

    return list(nx.lexicographical_topological_sort(graph.reverse(), place))


def _row(kind: Kind) -> Iterator[str]:
    stage = _declared(kind.file)[kind.name]
    yield f"`{kind.name}`"
    yield stage.get("desc", NOTHING)
    yield _listed([path for path in _names(stage, "deps") if not path.startswith(CODE)])
    yield _listed([*_names(stage, "outs"), *_names(stage, "metrics")])
    yield _listed(_names(stage, "params"))


def _declared(file: str) -> dict[str, Any]:
    """The stages that a dvc.yaml writes down, by name; its lists of dependencies are shared by aliases."""
    stages = read_mapping(Path(file), MOST_ALIASES)["stages"]
    return {name: {**stage, **stage.get("do", {})} for name, stage in stages.items()}


def _names(stage: dict[str, Any], section: str) -> list[str]:
    """What a section lists, with ``RUN`` for ``${item.run}``, ``AXIS`` for ``${item.axis}``."""
    entries = [next(iter(entry)) if isinstance(entry, dict) else entry for entry in stage.get(section, [])]
    named = [entry for entry in entries if not entry.endswith(DESCRIPTION)]
    return [re.sub(r"\$\{(?:item\.)?(\w+)\}", lambda found: found[1].upper(), entry) for entry in named]


def _listed(names: list[str]) -> str:
    return "<br>".join(f"`{name.removeprefix('artifacts/')}`" for name in names) or NOTHING
