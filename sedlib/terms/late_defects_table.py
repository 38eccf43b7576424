"""The commutator defect of a run that goes on after grokking."""

from sedlib.base.described.table_schema import TableSchema
from sedlib.terms.tables.definition_tables import DEFECTS

LATE_DEFECTS = TableSchema(
    "late_defects", 1, "sweeps/after_grokking/dvc.yaml:late_defects", DEFECTS.columns, key=DEFECTS.key
)
