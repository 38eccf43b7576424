"""Pages rendered from their Jinja templates with the numbers of reports/metrics.json, README.md among them.

A page is written only where every number has its place, the condition of every text holds, and no number stands bare.
"""

import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined, TemplateError, TemplateSyntaxError

from sedlib.base.atomic import replacing
from sedlib.base.errors import UserError
from sedlib.report.page.bare_numbers import bare_numbers, printed_literals
from sedlib.report.page.provided import Provided
from sedlib.report.page.vocabulary import Vocabulary, printed, typed

TEMPLATES = {
    Path("README.md"): Path("docs/templates/README.md.j2"),
    Path("docs/results.md"): Path("docs/templates/results.md.j2"),
    Path("docs/when-not-to-believe.md"): Path("docs/templates/when-not-to-believe.md.j2"),
}
HEADER = "<!-- Rendered from {template} by `make report`: edit the template, then run `sedlib documents`. -->\n"


def update(root: Path, numbers: Mapping[str, Any]) -> None:
    """Write the pages anew; none, where one is refused.

    Raises
    ------
    UserError
        A template is missing or does not fit ``numbers``.
    """
    pages = {page: rendered(root, template, numbers) for page, template in TEMPLATES.items()}
    for page, text in pages.items():
        with replacing(root / page) as path:
            path.write_text(text)


def rendered(root: Path, template: Path, numbers: Mapping[str, Any]) -> str:
    """The page of a template under ``root``.

    Raises
    ------
    UserError
        The template is missing or cannot be rendered; or, all named in one message with their lines: a place or a file
        does not exist, a condition does not hold, a number stands bare.
    """
    try:
        source = (root / template).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{template} is missing, or no text; restore it with git checkout") from error
    vocabulary = Vocabulary(root, numbers)
    environment = strict_environment(vocabulary)
    try:
        text = environment.from_string(source).render()
        problems = {*vocabulary.problems, *_unguarded(environment, source)}
    except (TemplateError, TypeError) as error:
        raise UserError(f"{template}, line {_line(error)}: {getattr(error, 'message', error)}") from error
    if problems:
        lines = "\n".join(f"line {line}: {reason}" for line, reason in sorted(problems))
        raise UserError(f"{template} does not fit reports/metrics.json and the tables:\n{lines}")
    return HEADER.format(template=template) + text


def strict_environment(vocabulary: Vocabulary) -> Environment:
    """Jinja with the words of ``vocabulary`` and no others: no filters but ``typed``, and no templates to include."""
    environment = Environment(
        undefined=StrictUndefined,
        autoescape=False,  # pages are Markdown: escaping would print < as &lt; inside code
        keep_trailing_newline=True,
        trim_blocks=True,  # a block's tags stand on lines of their own, which the page does not show
        finalize=printed,
        extensions=[Provided],
    )
    environment.globals = {**vocabulary.functions()}
    environment.filters = {"typed": typed}
    return environment


def _unguarded(environment: Environment, source: str) -> Iterator[tuple[int, str]]:
    for line, number in bare_numbers(environment, source):
        yield line, f"{number} is from no file; write n(PLACE) or cell(FILE, COLUMN, ROWS), or mark it as typed"
    for line in printed_literals(environment, source):
        yield line, "a tag prints what is neither a function's nor marked as typed"


def _line(error: TemplateError | TypeError) -> int | None:
    if isinstance(error, TemplateSyntaxError):
        return error.lineno
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame.lineno for frame in reversed(frames) if frame.filename == "<template>"), None)
