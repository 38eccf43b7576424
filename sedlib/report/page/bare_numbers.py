"""Numbers that a template holds outside of its tags, where nobody would notice that they are stale."""

import re
from collections.abc import Iterator

from jinja2 import Environment, nodes

ALLOWED = (
    re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL),  # a block of code
    re.compile(r"`[^`]+`"),
    re.compile(r"^#+ .*", re.MULTILINE),
    re.compile(r"\]\([^)]*\)"),  # where a link leads
    re.compile(r"arXiv\s+\d{4}\.\d{5}"),
    re.compile(r"Python\s+\d\.\d+"),
    re.compile(r"\bW\s+=\s+\d+\b(?!\.\d)"),
    re.compile(r"\b[Ss]eeds?\s+\d+(?:(?:,|\s+and|\s+or)\s+\d+)*"),
    re.compile(r"\b[Rr]ank\s+\d+\b(?!\.\d)"),
    re.compile(r"\b[Ww]eight\s+decay\s+0\b(?!\.\d)"),
    re.compile(r"95\s+%\s+(?:bootstrap\s+)?intervals?"),
    re.compile(r"[^\W\d_][\w.-]*"),  # a name with digits: add-42, rank-3, g23
)
"""What may hold a digit in the text of a template: names and settings, nothing that was measured."""


def bare_numbers(environment: Environment, source: str) -> Iterator[tuple[int, str]]:
    """Line and number of each that stands bare in ``source``."""
    prose = _prose(environment, source)
    for form in ALLOWED:
        prose = form.sub(lambda match: _blank(match[0]), prose)
    for match in re.finditer(r"\d[\d.,]*", prose):
        yield prose.count("\n", 0, match.start()) + 1, match[0].rstrip(".,")


def printed_literals(environment: Environment, source: str) -> Iterator[int]:
    """Lines whose tags print what is neither asked of a function nor marked as typed."""
    for output in environment.parse(source).find_all(nodes.Output):
        for printed in output.nodes:
            asked = isinstance(printed, nodes.Call) and isinstance(printed.node, nodes.Name)
            if not (asked or isinstance(printed, nodes.TemplateData | nodes.Filter)):
                yield printed.lineno


def _prose(environment: Environment, source: str) -> str:
    """``source`` with blanks for tags and for what a block marks as typed; its lines stay where they are."""
    prose, tag, depth = "", [""], 0
    for line, kind, value in environment.lex(source):
        prose += "\n" * (line - 1 - prose.count("\n"))
        prose += value if kind == "data" and not depth else _blank(value)
        if kind == "block_begin":
            tag = []
        elif kind == "name":
            tag.append(value)
        elif kind == "block_end":
            depth += (tag[0] == "filter") - (tag[0] == "endfilter")
    return prose


def _blank(text: str) -> str:
    return re.sub(r"\S", " ", text)
