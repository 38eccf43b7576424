"""`sedlib check` in the folder of a study's project: params.yaml and study.py as the stages need them."""

from contextlib import chdir
from pathlib import Path

from sedlib.base.errors import UserError
from sedlib.pipeline.code.imports import imported_modules
from sedlib.studies.definition.project_params import ProjectParams
from sedlib.studies.project_code import STUDY, project_texts

PAPERS = "sedlib.grokking"


def is_project(folder: Path) -> bool:
    """Whether the folder has a study.py that is not the paper's."""
    study = folder / STUDY
    return study.is_file() and not any(name.startswith(PAPERS) for name in imported_modules(study))


def check_project(path: Path) -> None:
    """Refuse a params.yaml or a study.py that a stage would refuse.

    Raises
    ------
    UserError
        Something is refused; the message says what was expected, what came, and what to do.
    """
    params = ProjectParams.read(path)
    with chdir(path.parent):
        project_texts(Path())
        from sedlib.pipeline.study import load_study  # only here: it takes a second, and values are refused before
        from sedlib.studies.definition.study_checks import require_own_study, usable

        study = require_own_study(load_study())
        for run in params.runs:
            own = usable(study.of_run(run))
            batch = params.gradient_batch
            _require_so_many(path, "gradient_batch.size", batch.size, run, len(own.examples(batch.pairs)))
            _require_so_many(path, "probes.count", params.probes.count, run, len(own.examples("all")))
            if params.centroid not in own.centroids:
                raise UserError(f"{path}: centroid = {params.centroid!r} is not one of {', '.join(own.centroids)}")


def _require_so_many(path: Path, key: str, count: int, run: str, there: int) -> None:
    if count > there:
        raise UserError(f"{path}: {key} = {count:,}, but run {run} has {there:,} such examples; choose fewer")
