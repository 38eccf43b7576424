"""Draw one run's figures and sum it up in a few numbers."""

import json

from sedlib.atomic import replacing
from sedlib.grokking.params import Params
from sedlib.grokking.workspace import Workspace, stage
from sedlib.report.figures import draw
from sedlib.report.panels import save
from sedlib.report.results import RunResults
from sedlib.report.summary import summarise


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
