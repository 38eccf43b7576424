"""What a run is, as one small text: its resolved parameters, and the lines of its operations.

Training depends on the text. A new operation, another run, or a weight decay that the run replaces by its own leaves
the text as it is, and so all of the run's results.
"""

import ast
from pathlib import Path

from sedlib.grokking.setup.experiment import Experiment

OPERATIONS_FILE = Path("sedlib/grokking/setup/operations.py")
TABLE = "OPERATIONS"


def run_text(experiment: Experiment, operations: dict[str, str]) -> str:
    """The run's parameters as JSON, then each of its operations as its table defines it."""
    lines = [experiment.model_dump_json(), *(f"{op} {operations[op]}" for op in experiment.run.ops)]
    return "".join(f"{line}\n" for line in lines)


def operation_sources(source: str) -> dict[str, str]:
    """By name, the source of each operation in the table of operations.py.

    Raises
    ------
    ValueError
        There is no such table, or a name in it is not written out.
    """
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == [TABLE]:
            if not isinstance(node.value, ast.Dict):
                break
            names = [key.value if isinstance(key, ast.Constant) else None for key in node.value.keys]
            if not all(isinstance(name, str) for name in names):
                break
            lines = [_on_one_line(source, value) for value in node.value.values]
            return dict(zip(map(str, names), lines, strict=True))
    raise ValueError(f"expected a table {TABLE} whose keys are names")


def _on_one_line(source: str, node: ast.expr) -> str:
    return " ".join((ast.get_source_segment(source, node) or "").split())
