"""`sedlib check` in the folder of a study's project: params.yaml and study.py as the stages need them."""

from contextlib import chdir
from pathlib import Path

from sedlib.base.errors import UserError, quoted
from sedlib.pipeline.code.imports import imported_modules
from sedlib.studies.definition.project_params import ProjectParams
from sedlib.studies.project_code import STUDY, project_texts
from sedlib.studies.project_folder import nothing_found

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
        for run in params.runs:
            _require_checkpoints(path, run, params.chosen(run).checkpoints)
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


def _require_checkpoints(path: Path, run: str, checkpoints: str | None) -> None:
    if checkpoints is not None and nothing_found(Path(), checkpoints):
        raise UserError(
            f"{path}: runs.{run}.checkpoints = {quoted(checkpoints)}, but nothing is there, seen from {Path.cwd()}; "
            "bring the checkpoints, as by `dvc import`, or name their folder"
        )


def _require_so_many(path: Path, key: str, count: int, run: str, there: int) -> None:
    if count > there:
        raise UserError(f"{path}: {key} = {count:,}, but run {run} has {there:,} such examples; choose fewer")
