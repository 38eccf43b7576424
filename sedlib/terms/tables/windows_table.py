"""Coupling ratios of gradient and update at several windows, of a run that goes on after grokking."""

from sedlib.base.described.table_schema import TableSchema
from sedlib.terms.tables.coupling_table import COUPLING

WINDOWS = TableSchema("windows", 1, "sweeps/after_grokking/dvc.yaml:windows", COUPLING.columns, key=COUPLING.key)
