"""Each public function of the library states its shapes, units, errors and source, and shows an answer."""

import ast
import re
from collections.abc import Iterator

import pytest

import sedlib
from tests.docstrings import Library, Public, axes, covers, fields, is_exception, is_protocol, sections, stated_axes
from tests.imports import ROOT

FLAT = [file for file in (ROOT / "sedlib").glob("*.py") if file.stem not in ("__init__", "cli")]
ROOMS = [file for room in ("models", "slots", "base") for file in (ROOT / "sedlib" / room).rglob("[!_]*.py")]
SOURCES = {".".join(file.relative_to(ROOT).with_suffix("").parts): file.read_text() for file in [*FLAT, *ROOMS]}
LIBRARY = Library.of(SOURCES)
EVERY = [public for module in sorted(SOURCES) for public in LIBRARY.public(module)]
PUBLIC = [public for public in EVERY if public.module.count(".") == 1 or public.name.partition(".")[0] in dir(sedlib)]
"""What flat modules define, and what the listing has of the rooms."""
HELPERS = [public for public in EVERY if public not in PUBLIC and not public.module.startswith("sedlib.base.")]


def example_faults(library: Library, public: Public) -> Iterator[str]:
    examples, before = public.examples, ""
    if public.owner and not examples:  # a method may be shown among the others of its class
        examples, before = Public(public.module, None, public.owner).examples, r"\."
    shown = any(re.search(rf"{before}\b{public.node.name}\b", example.source) for example in examples)
    if not shown and isinstance(public.node, ast.ClassDef) and is_given(library, public):
        return
    if not shown:
        yield "has no example"
    elif not any(example.want for example in examples):
        yield "has an example without a result"
    if public.text.count(">>> ") > len(public.examples):
        yield "has an example outside of a section Examples"


def is_given(library: Library, public: Public) -> bool:
    """Whether a class is the result of a public function, whose example shows it, and has nothing to call."""
    others = [other.node for other in library.public(public.module)]
    returned = [node.returns for node in others if isinstance(node, ast.FunctionDef) and node.returns]
    given = any(re.search(rf"\b{public.name}\b", ast.unparse(node)) for node in returned)
    return given and not library.raised_by(public)


def error_faults(library: Library, public: Public) -> Iterator[str]:
    missing = {raised for raised in library.raised_by(public) if not covers(public.raises, raised)}
    if missing:
        yield f"raises {', '.join(sorted(missing))}, of which no section Raises speaks"
    order = [name for name in sections(public.text) if name in ("Raises", "Examples")]
    if order != sorted(order, reverse=True):
        yield "has its section Raises below Examples"


def source_faults(library: Library, public: Public) -> Iterator[str]:
    texts = (public.text, module_text(library, public))
    if "math:" in public.text and not any(re.search(r"\bSource\b|\bours\b", text) for text in texts):
        yield "has an equation but no source, nor has its module"


def shape_faults(library: Library, public: Public) -> Iterator[str]:
    signature = [public.node.args, public.node.returns] if isinstance(public.node, ast.FunctionDef) else [public.node]
    named = set().union(*(axes(node) for node in signature if node))
    top = module_text(library, public)
    if missing := named - stated_axes(top) - stated_axes(public.text):
        yield f"has axes that the top of its module does not explain: {', '.join(sorted(missing))}"
    if named and "Units:" not in top + public.text:
        yield "has arrays whose units nobody states"


def field_faults(_: Library, public: Public) -> Iterator[str]:
    if isinstance(public.node, ast.ClassDef):
        yield from (f"has a field {name} without docstring" for name, told in fields(public.node).items() if not told)


def module_text(library: Library, public: Public) -> str:
    return ast.get_docstring(library.trees[public.module]) or ""


def faults(library: Library, public: Public) -> list[str]:
    """What a docstring lacks; a protocol and an exception do nothing that could be shown."""
    rules = (example_faults, error_faults, source_faults, shape_faults, field_faults)
    nothing_to_show = is_protocol(public.node) or is_exception(public.node)
    return [fault for rule in rules[nothing_to_show * len(rules) :] for fault in rule(library, public)]


@pytest.mark.parametrize("public", PUBLIC, ids=lambda public: f"{public.module.removeprefix('sedlib.')}.{public.name}")
def test_a_docstring_says_and_shows_what_its_function_does(public: Public) -> None:
    assert public.text
    found = faults(LIBRARY, public)
    assert not found, f"{public.name} " + "; ".join(found)


def test_helpers_in_the_rooms_of_the_library_say_what_they_raise() -> None:
    found = {f"{public.module}.{public.name}": list(error_faults(LIBRARY, public)) for public in HELPERS}
    assert {name: lacks for name, lacks in found.items() if lacks} == {}


WHOLE = '''"""Sums.

Shapes: rows are ``[rows]``. Units: those of the rows. Source: a book.
"""

def total(rows: Float[Tensor, " rows"]) -> float:
    """Sum of the rows, :math:`x`.

    Raises
    ------
    ValueError
        One is not finite.

    Examples
    --------
    >>> total(torch.ones(2))
    2.0
    """
    _require(rows)
    return float(rows.sum())

def _require(rows):
    if not rows.isfinite().all():
        raise ValueError("rows: expected finite values")
'''


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("", "", ""),
        (">>> total(torch.ones(2))\n    2.0\n", "Adds them up.\n", "has no example"),
        (">>> total(", ">>> sum(", "has no example"),
        ("    2.0\n", "", "has an example without a result"),
        ("Examples\n    --------\n", "", "has an example outside of a section Examples"),
        ("Raises\n    ------\n    ValueError\n        One is not finite.\n", "", "raises ValueError, of which no"),
        ("    ValueError\n   ", "    TypeError\n   ", "raises ValueError, of which no"),
        ("Source: a book.", "", "has an equation but no source"),
        ("``[rows]``", "flat", "the top of its module does not explain: rows"),
        ("Units: those of the rows.", "", "units nobody states"),
    ],
)
def test_a_docstring_that_lacks_something_is_found(old: str, new: str, fault: str) -> None:
    assert old in WHOLE
    library = Library.of({"sums": WHOLE.replace(old, new, 1)})
    [total] = library.public("sums")
    found = faults(library, total)
    assert (fault in "; ".join(found)) if fault else not found
