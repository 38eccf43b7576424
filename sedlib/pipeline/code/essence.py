"""What of a Python file decides what it does: its source without comments, docstrings and descriptions of parameters.

Only positions are taken from the parser, the text stays what was typed: every version of Python gives the same essence.
"""

import ast
import hashlib
import io
import tokenize
from collections.abc import Iterator

DESCRIPTION = "description"
"""Keyword under which a parameter is explained to a reader."""
GOES_ON = "\0"
"""Stands at the end of a line that ends inside a string, where spaces and blank lines are part of the string."""


def fingerprint(source: str) -> str:
    """Hash of the essence, which an edit of words alone leaves as it is."""
    return hashlib.sha256(essence(source).encode()).hexdigest()[:16]


def essence(source: str) -> str:
    r"""The source without words for a reader, and without blank lines and spaces at the ends of lines.

    >>> essence("def f(x):\n    '''Twice x.'''\n    return 2 * x  # why\n")
    'def f(x):\n    return 2 * x\n'
    """
    lines = source.split("\n")
    kept = [[*line, "\n"] for line in lines]
    for first, last in _strings(source):
        for number in range(first, last):
            kept[number - 1].insert(-1, GOES_ON)
    for (first, start), (last, end) in [*_documented(source, lines), *_comments(source)]:
        for number in range(first, last + 1):
            begin = start if number == first else 0
            stop = end if number == last else len(kept[number - 1])
            kept[number - 1][begin:stop] = [""] * (stop - begin)
    texts = (text.rstrip() for text in "".join(map("".join, kept)).split("\n"))
    return "".join(f"{text}\n" for text in texts if text).replace(GOES_ON, "")


Span = tuple[tuple[int, int], tuple[int, int]]
"""Line, from 1, and column in characters, of where something starts and of where it has ended."""


def _documented(source: str, lines: list[str]) -> Iterator[Span]:
    """Strings that stand as statements, which are documentation, and descriptions of parameters."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and _is_text(node.value):
            yield _span(node, lines)
        if isinstance(node, ast.Call):
            values = (keyword.value for keyword in node.keywords if keyword.arg == DESCRIPTION)
            yield from (_span(value, lines) for value in values if _is_text(value))


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _span(node: ast.expr | ast.Expr, lines: list[str]) -> Span:
    """The parser counts columns in bytes of UTF-8."""
    ends = (node.lineno, node.col_offset), (node.end_lineno or node.lineno, node.end_col_offset or 0)
    first, last = ((line, len(lines[line - 1].encode()[:column].decode())) for line, column in ends)
    return first, last


def _comments(source: str) -> Iterator[Span]:
    for token in _tokens(source):
        if token.type == tokenize.COMMENT:
            yield token.start, token.end


def _strings(source: str) -> Iterator[tuple[int, int]]:
    """First and last line of each string; since Python 3.12 a formatted one is several tokens."""
    first_lines = []
    for token in _tokens(source):
        kind = tokenize.tok_name[token.type]
        if kind == "STRING":
            yield token.start[0], token.end[0]
        elif kind in ("FSTRING_START", "TSTRING_START"):
            first_lines.append(token.start[0])
        elif kind in ("FSTRING_END", "TSTRING_END"):
            yield first_lines.pop(), token.end[0]


def _tokens(source: str) -> Iterator[tokenize.TokenInfo]:
    return tokenize.generate_tokens(io.StringIO(source).readline)
