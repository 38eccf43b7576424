"""What a run is, as one small text: its resolved parameters, and the lines of its operations.

Training depends on the text. A new operation, another run, or a weight decay that the run replaces by its own leaves
the text as it is, and so all of the run's results.
"""

import ast
from pathlib import Path

from sedlib.base.errors import UserError
from sedlib.grokking.setup.experiment import Experiment
from sedlib.pipeline.code.current import REMEDY
from sedlib.pipeline.workspace import ARTIFACTS

OPERATIONS_FILE = Path("sedlib/grokking/setup/operations.py")
CONDITIONS_FILE = Path("sedlib/terms/conditions.py")
TABLE = "OPERATIONS"


def run_text(experiment: Experiment, operations: dict[str, str]) -> str:
    """The run's parameters as JSON, then each of its operations as its table defines it."""
    lines = [experiment.model_dump_json(), *(f"{op} {operations[op]}" for op in experiment.run.ops)]
    return "".join(f"{line}\n" for line in lines)


def operation_sources(source: str) -> dict[str, str]:
    """By name, the source of each operation in the table of operations.py.

    Raises
    ------
    UserError
        There is no such table, or a name in it is not written out, or code stands beside it, which no line would show.
    """
    found: dict[str, str] | None = None
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == [TABLE]:
            found = _entries(source, node.value)
        elif not _is_import_or_text(node):
            raise UserError(f"beside the table {TABLE} stands code in line {node.lineno}; put it into another module")
    if found is None:
        raise UserError(f"expected a table {TABLE} whose keys are names")
    return found


def _entries(source: str, table: ast.expr) -> dict[str, str] | None:
    """The source of each value by its name; None where the names are not written out."""
    if not isinstance(table, ast.Dict):
        return None
    names = [key.value if isinstance(key, ast.Constant) else None for key in table.keys]
    if not all(isinstance(name, str) for name in names):
        return None
    return dict(zip(map(str, names), (_on_one_line(source, value) for value in table.values), strict=True))


def _is_import_or_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    )


def _on_one_line(source: str, node: ast.expr) -> str:
    return " ".join((ast.get_source_segment(source, node) or "").split())


def current_run_text(experiment: Experiment) -> str:
    """The run's text from the operations as they are now."""
    return run_text(experiment, operation_sources((Path(__file__).parent / OPERATIONS_FILE.name).read_text()))


def require_current_run(run: str, experiment: Experiment) -> None:
    """Compare a run with the text of what it is, if there is one: DVC takes its results for those of the text.

    Raises
    ------
    UserError
        params.yaml or one of the run's operations was edited since the code stage ran.
    """
    text = ARTIFACTS / "setup" / f"{run}.txt"
    if text.exists() and text.read_bytes() != current_run_text(experiment).encode():
        raise UserError(f"run {run} is not what it was when {text} was written; {REMEDY}")
