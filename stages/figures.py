"""Draw one run's figures and sum it up in a few numbers."""

import json

from sedlib.base.atomic import replacing
from sedlib.grokking.setup.params import Params
from sedlib.pipeline.workspace import Workspace, stage
from sedlib.report.drawn.panels import save
from sedlib.report.drawn.run_figures import draw
from sedlib.report.numbers.results import RunResults
from sedlib.report.numbers.summary import summarise


def main(run: Workspace) -> None:
    params = Params.of_run(run.run)
    results = RunResults.load(run.results)
    save(draw(results, run.run, params.grok_threshold), run.results)
    described = params.runs[run.run]
    summary = summarise(results, described.seed, described.weight_decay, params.grok_threshold)
    with replacing(run.summary) as path:
        path.write_text(json.dumps(summary, indent=2) + "\n")


if __name__ == "__main__":
    stage(main, __doc__)
