"""Draw one run's figures and sum it up in a few numbers."""

from sedlib.base.atomic import replacing
from sedlib.base.strict_json import json_text
from sedlib.pipeline.parameters.grok_params import GrokParams
from sedlib.pipeline.stage import stage
from sedlib.pipeline.study import Study
from sedlib.pipeline.workspace import Workspace
from sedlib.report.drawn.panels import save
from sedlib.report.drawn.run_figures import draw
from sedlib.report.numbers.results import RunResults
from sedlib.report.numbers.summary import summarise


def main(study: type[Study], run: Workspace) -> None:
    threshold = GrokParams.load().grok_threshold
    results = RunResults.load(run.results, study.tables)
    save(draw(results, run.run, threshold), run.figures)
    with replacing(run.summary) as path:
        path.write_text(json_text(summarise(results, study.of_run(run.run).labels, threshold), indent=2) + "\n")


if __name__ == "__main__":
    stage(main, __doc__)
