"""The part of the README that is generated from the report: its claim table."""

from pathlib import Path

import pandas as pd

from sedlib.errors import UserError

START, END = "<!-- claims: written by `make report` -->", "<!-- end of claims -->"
COLUMNS = ["claim", "paper", "ours", "verdict"]


def claim_table(claims: pd.DataFrame) -> str:
    """The claims as Markdown, without the commands."""
    return claims[COLUMNS].to_markdown(index=False)


def with_claims(readme: str, claims: pd.DataFrame) -> str:
    """``readme`` with the table between its marks.

    Raises
    ------
    UserError
        The marks are not there, once each and in order.
    """
    before, start, rest = readme.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end) or START in after:
        raise UserError(f"the README must hold {START!r} and {END!r}, once each, around its claim table")
    return f"{before}{START}\n\n{claim_table(claims)}\n\n{END}{after}"


def update(readme: Path, claims: pd.DataFrame) -> None:
    """Write the table into ``readme``."""
    readme.write_text(with_claims(readme.read_text(), claims))
