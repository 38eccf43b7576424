"""Tables as earlier versions wrote them, kept for ever: each is read, or refused by its version."""

import pytest

from sedlib.base.described.description import Origin
from sedlib.base.described.tables import read_table
from sedlib.base.errors import UserError
from sedlib.terms.tables.coupling_table import COUPLING
from tests.imports import ROOT

FROZEN = ROOT / "tests/frozen/tables"
STAGE = COUPLING.stage_of("add-1")


def test_a_table_of_before_there_were_descriptions_is_refused_by_name() -> None:
    path = FROZEN / "before_descriptions/add-1/coupling.csv"
    message = (
        f"expected its description coupling.resource.json beside it, found none: the file is older than version "
        f"{COUPLING.tag}. Write it again with `dvc repro coupling@add-1`."
    )
    with pytest.raises(UserError, match=message):
        read_table(path, COUPLING, STAGE, Origin("add-1"))


def test_the_first_version_with_descriptions_is_read() -> None:
    """Once there is another version, this becomes a refusal by name, or a conversion."""
    table = read_table(FROZEN / "version_1/add-1/coupling.csv", COUPLING, STAGE, Origin("add-1"))
    assert table["ratio"].tolist() == pytest.approx([26.02545, 23.134861, 2.7238832, 1.5884137])
    assert table["stream"].tolist() == ["gradient/add", "ladder/minibatch-gradient", "update", "update"]
