"""Draw one run's figures and sum it up in a few numbers."""

from sedlib.base.atomic import replacing
from sedlib.base.described.described_files import write_described
from sedlib.base.described.description import Origin
from sedlib.base.strict_json import json_text
from sedlib.pipeline.parameters.grok_params import GrokParams
from sedlib.pipeline.stage import stage
from sedlib.pipeline.study import Study
from sedlib.pipeline.workspace import ARTIFACTS, Workspace
from sedlib.report.drawn.panels import save
from sedlib.report.drawn.run_figures import draw
from sedlib.report.metrics.headline_numbers import run_headline
from sedlib.report.numbers.results import RunFolder, RunResults
from sedlib.report.numbers.summary import summarise
from sedlib.terms.tables.summary_file import SUMMARY


def main(study: Study, run: Workspace) -> None:
    threshold, of = GrokParams.load().grok_threshold, Origin(run.run, study.to_json())
    results = RunResults.load(RunFolder(run.results, of.parameters), study.tables)
    save(draw(results, run.run, threshold), run.figures)
    summary = summarise(results, study.labels, threshold)
    write_described(run.summary, (json_text(summary, indent=2) + "\n").encode(), SUMMARY, of)
    with replacing(ARTIFACTS / "headline" / f"{run.run}.json") as path:
        path.write_text(json_text(run_headline(summary), indent=2) + "\n")


if __name__ == "__main__":
    stage(main, __doc__)
