"""The tidy tables of one run, and the two quantities that all of the report is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from sedlib.base.described.described_files import damaged, read_described
from sedlib.base.described.description import FileKind, Origin
from sedlib.base.described.table_schema import TableSchema
from sedlib.base.described.tables import read_table
from sedlib.report.numbers.summary_content import summary_in
from sedlib.terms.tables.centroid_table import CENTROIDS
from sedlib.terms.tables.coupling_table import COUPLING
from sedlib.terms.tables.fourier_tables import FOURIER, RESTRICTED_LOSS
from sedlib.terms.tables.spectra_table import SPECTRA
from sedlib.terms.tables.summary_file import SUMMARY
from sedlib.terms.tables.training_table import TRAINING

EVERY_STUDYS_TABLES = (TRAINING, SPECTRA, CENTROIDS, COUPLING)
GROKKING_TABLES = (FOURIER, RESTRICTED_LOSS)


@dataclass(frozen=True)
class RunFolder:
    """Where the results of a run lie, by whose name the folder is called."""

    path: Path
    parameters: str | None = None
    """JSON of all that determines the run; results of any run of its name are accepted where that is None."""
    variant: str | None = None
    """What the stages are called after in a sweep that trains one run under several parameters; else the run."""

    def read(self, schema: TableSchema) -> pd.DataFrame:
        """The run's table of this kind.

        Raises
        ------
        UserError
            It is missing, damaged, or of another run; the message names the file and the remedy.
        """
        return read_table(self.path / f"{schema.name}.csv", schema, self._stage(schema), self.origin)

    def summary(self) -> dict[str, Any]:
        """The run in a few numbers.

        Raises
        ------
        UserError
            It is missing, damaged, or of another run; the message names the file and the remedy.
        """
        file, stage = self.path / "summary.json", self._stage(SUMMARY)
        content, _ = read_described(file, SUMMARY, stage, self.origin)
        try:
            return summary_in(content)
        except ValueError as error:
            raise damaged(file, "the numbers of a run", str(error), stage) from error

    @property
    def origin(self) -> Origin:
        """The run and the parameters that the folder's files must be of."""
        return Origin(self.path.name, self.parameters)

    def _stage(self, kind: FileKind) -> str:
        if self.variant is None:
            return kind.stage_of(self.path.name)
        return f"{kind.stage.rpartition(':')[2]}@{self.variant}"


@dataclass(frozen=True)
class RunResults:
    """Tables of one run as its stages wrote them."""

    training: pd.DataFrame
    spectra: pd.DataFrame
    centroids: pd.DataFrame
    coupling: pd.DataFrame
    own: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """Tables that the study alone has, by name."""

    @classmethod
    def load(cls, folder: RunFolder, own: Sequence[TableSchema] = GROKKING_TABLES) -> "RunResults":
        """Read the tables in ``folder``; ``own`` are those that the study alone has.

        Raises
        ------
        UserError
            One is missing, damaged, or of another run; the message names the file and the remedy.
        """
        tables = {schema.name: folder.read(schema) for schema in EVERY_STUDYS_TABLES}
        return cls(**tables, own={schema.name: folder.read(schema) for schema in own})

    @property
    def fourier(self) -> pd.DataFrame | None:
        """Frequencies of the centroids, where the study has them."""
        return self.own.get("fourier")

    @property
    def restricted_loss(self) -> pd.DataFrame | None:
        """Losses by frequencies of the logits, where the study has them."""
        return self.own.get("restricted_loss")

    @property
    def ops(self) -> list[str]:
        """Operations of the run, in its order."""
        return list(self.training["op"].unique())


def grok_step(training: pd.DataFrame, op: str, threshold: float) -> int | None:
    """First checkpoint at which the test accuracy of ``op`` reaches ``threshold``; None if none does, or has any."""
    if "test_accuracy" not in training:
        return None
    reached = training[(training["op"] == op) & (training["test_accuracy"] >= threshold)]
    return None if reached.empty else int(reached["step"].min())


def before_grokking(curve: pd.DataFrame, grokked: int | None) -> pd.DataFrame:
    """The rows of ``curve`` up to the grok step; none where there is no grok step."""
    return curve.iloc[:0] if grokked is None else curve[curve["step"] <= grokked]


def mean_ratios(coupling: pd.DataFrame) -> pd.DataFrame:
    r"""R̄ of every basis: :math:`\bar R_k = \operatorname{mean}_{i \le k} R_i` by op, stream, window and step."""
    keys = ["op", "stream", "window", "step"]
    return coupling.groupby(keys, sort=False)[["ratio"]].mean().reset_index()
