"""Write the report from whatever results there are: reports/."""

import argparse
from pathlib import Path

from sedlib.base.script import clear_errors
from sedlib.grokking.interventions.cell_stages import cell_stages
from sedlib.grokking.setup.experiment import Experiment
from sedlib.grokking.setup.params import Params
from sedlib.pipeline.parameters.sections import PARAMS_FILE, read_params
from sedlib.pipeline.workspace import ARTIFACTS
from sedlib.report.numbers.collection import Expected, collect
from sedlib.report.page.writing import write_report


def main() -> None:
    params, values = Params.load(), read_params(PARAMS_FILE)
    expected = Expected(
        list(params.runs),
        params.ablation.runs,
        params.single_step.runs,
        cell_stages(params.interventions),
        params.grok_threshold,
        {run: Experiment.of(values, run).model_dump_json() for run in params.runs},
    )
    write_report(collect(ARTIFACTS / "results", expected), Path("reports"))


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    with clear_errors():
        main()
