"""Write the report from whatever results there are: reports/."""

import argparse
from pathlib import Path

from sedlib.base.script import clear_errors
from sedlib.grokking.interventions.cell_stages import cell_stages, cells_of
from sedlib.grokking.interventions.cell_texts import origin_of
from sedlib.grokking.interventions.cells import Cell, ending_as_cells
from sedlib.grokking.setup.experiment import Experiment
from sedlib.grokking.setup.params import Params
from sedlib.pipeline.parameters.ablation_params import AXES
from sedlib.pipeline.parameters.sections import PARAMS_FILE, read_params
from sedlib.pipeline.workspace import ARTIFACTS
from sedlib.report.numbers.collection import Expected, collect
from sedlib.report.page.writing import write_report


def main() -> None:
    params, values = Params.load(), read_params(PARAMS_FILE)
    experiments = {run: Experiment.of(values, run) for run in params.runs}
    cells = (cell for cell, _ in cells_of(params.interventions))
    expected = Expected(
        list(params.runs),
        params.ablation.runs,
        params.single_step.runs,
        cell_stages(params.interventions),
        params.grok_threshold,
        {run: experiment.model_dump_json() for run, experiment in experiments.items()},
        {cell.name: parameters(cell, experiments[cell.run], params) for cell in cells},
        params.permuted.runs,
        list(AXES),
    )
    write_report(collect(ARTIFACTS / "results", expected), Path("reports"))


def parameters(cell: Cell, run: Experiment, params: Params) -> str | None:
    trained = ending_as_cells(run.with_weight_decay(cell.weight_decay), params.interventions)
    return origin_of(cell, trained, params.interventions).parameters


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    with clear_errors():
        main()
