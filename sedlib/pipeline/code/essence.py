"""What of a Python file decides what it does: its tokens without comments, docstrings and descriptions of parameters.

The parser is asked for positions alone, and every version of Python splits the rest in the same tokens: all versions
give the same essence. How lines are broken inside brackets is no part of it, nor a comma after the last argument: a
formatter changes both when a description gets longer.
"""

import ast
import hashlib
import io
import tokenize
from collections.abc import Iterator
from keyword import iskeyword, issoftkeyword

DESCRIPTION = "description"
"""Keyword under which a parameter is explained to a reader."""
FORMATTED = {"FSTRING_START": "FSTRING_END", "TSTRING_START": "TSTRING_END"}
"""Kinds of token in which newer versions of Python begin and end a string that older ones keep whole."""

Position = tuple[int, int]
"""Line, from 1, and column in characters."""
Word = tuple[str, str]
"""Kind of a token, as tokenize names it, and its text; a string is one word."""


def fingerprint(source: str) -> str:
    """Hash of the essence, which an edit of words alone leaves as it is."""
    return hashlib.sha256(essence(source).encode()).hexdigest()[:16]


def essence(source: str) -> str:
    r"""The source without words for a reader: a statement to a line, its tokens apart by one space.

    >>> essence("def f(x):\n    '''Twice x.'''\n    return (2 *\n            x)  # why\n")
    'def f ( x ) :\n    return ( 2 * x )\n'
    """
    lines: list[str] = []
    statement: list[str] = []
    depth, calls = 0, [False]
    for kind, text in _words(source):
        if kind in ("INDENT", "DEDENT"):
            depth += 1 if kind == "INDENT" else -1
        elif kind in ("NEWLINE", "ENDMARKER"):
            if statement:
                lines.append("    " * depth + " ".join(statement) + "\n")
            statement = []
        else:
            if text in ("(", "[", "{"):
                calls.append(text == "(" and _is_callee(statement[-1:]))
            elif text in (")", "]", "}") and calls.pop() and statement[-1] == ",":
                statement.pop()
            statement.append(text)
    return "".join(lines)


def _is_callee(before: list[str]) -> bool:
    """Whether a bracket after this word holds arguments; elsewhere a last comma makes a tuple."""
    return any(word in (")", "]") or (word.isidentifier() and not _is_reserved(word)) for word in before)


def _is_reserved(word: str) -> bool:
    return iskeyword(word) or issoftkeyword(word)


def _words(source: str) -> Iterator[Word]:
    """The tokens that do something."""
    lines = source.split("\n")
    spans = iter([*sorted(_documented(source, lines)), None])
    span = next(spans)
    tokens = tokenize.generate_tokens(io.StringIO(source, newline="\n").readline)
    for token in tokens:
        while span and token.start >= span[1]:
            span = next(spans)
        if token.type in (tokenize.COMMENT, tokenize.NL) or (span and span[0] <= token.start):
            continue
        kind = tokenize.tok_name[token.type]
        if kind in FORMATTED:
            yield "STRING", _between(lines, token.start, _end_of(tokens, kind))
        else:
            yield kind, token.string


def _end_of(tokens: Iterator[tokenize.TokenInfo], start: str) -> Position:
    """Where the string ends that such a token began; strings may stand inside of it."""
    depth = 1
    for token in tokens:
        kind = tokenize.tok_name[token.type]
        depth += (kind in FORMATTED) - (kind in FORMATTED.values())
        if not depth:
            return token.end
    raise SyntaxError(f"a string that {start} begins does not end")


def _between(lines: list[str], start: Position, end: Position) -> str:
    (first, begin), (last, stop) = start, end
    text = "\n".join(lines[first - 1 : last])
    return text[begin : len(text) - len(lines[last - 1]) + stop]


def _documented(source: str, lines: list[str]) -> Iterator[tuple[Position, Position]]:
    """Where strings stand as statements, which are documentation, and descriptions of parameters."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and _is_text(node.value):
            yield _span(node, lines)
        if isinstance(node, ast.Call):
            values = (keyword.value for keyword in node.keywords if keyword.arg == DESCRIPTION)
            yield from (_span(value, lines) for value in values if _is_text(value))


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _span(node: ast.expr | ast.Expr, lines: list[str]) -> tuple[Position, Position]:
    """The parser counts columns in bytes of UTF-8."""
    ends = (node.lineno, node.col_offset), (node.end_lineno or node.lineno, node.end_col_offset or 0)
    first, last = ((line, len(lines[line - 1].encode()[:column].decode())) for line, column in ends)
    return first, last
