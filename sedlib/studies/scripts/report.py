"""Write the study's report from whatever results there are: the questions with their verdicts, figures, the page."""

import argparse
from pathlib import Path

from sedlib.base.described.described_pairs import require_pairs
from sedlib.base.script import clear_errors
from sedlib.pipeline.code.current import installed_version, require_current_code
from sedlib.pipeline.parameters.sections import PARAMS_FILE
from sedlib.pipeline.workspace import ARTIFACTS, Workspace
from sedlib.report.of_studies.study_report import write_study_report
from sedlib.report.of_studies.study_results import StudyRun, experiments
from sedlib.studies.definition.project_params import ProjectParams
from sedlib.studies.definition.run_settings import experiment_of


def main() -> None:
    params = ProjectParams.read()
    runs: dict[str, list[StudyRun]] = {}
    missing = {}
    for name in params.runs:
        settings = params.chosen(name)
        require_pairs(ARTIFACTS / "results", f"{name}/**/*")
        if not Workspace(name).summary.exists():
            missing[f"run {name}"] = f"dvc repro figures@{name}"
            continue
        run = StudyRun.load(ARTIFACTS / "results", name, settings.model_dump_json(), settings.seed)
        runs.setdefault(experiment_of(name, settings), []).append(run)
    foot = {"parameters": PARAMS_FILE.read_text(encoding="utf-8"), "version": installed_version()}
    write_study_report(experiments(runs), missing, foot, Path("reports"))


if __name__ == "__main__":
    argparse.ArgumentParser(prog="sedlib stage report", description=__doc__).parse_args()
    with clear_errors():
        require_current_code("stages/report.py")
        main()
