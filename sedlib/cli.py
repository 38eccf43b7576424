"""Commands beside `dvc repro`: plan, run in parallel, read results, check, repair."""

import argparse
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

from sedlib.base.atomic import unwritable
from sedlib.base.commands.root import require_root
from sedlib.base.errors import UserError, located, quoted
from sedlib.base.installed.extras import what_to_install
from sedlib.base.progress import say

MOST_WORKERS = 256
"""Each takes half a gigabyte before its first stage."""

if TYPE_CHECKING:
    from sedlib.cluster.clusters import Workers


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; a UserError or a missing extra ends it with code 1."""
    parser = argparse.ArgumentParser(prog="sedlib", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    check = commands.add_parser("check", help="check params.yaml, and name every value that a stage refuses")
    check.set_defaults(run=lambda given: check_params(given.file))
    check.add_argument(
        "file", nargs="?", type=Path, default=Path("params.yaml"), help="file to check; default: params.yaml"
    )

    init = commands.add_parser(
        "init", help="write a project for a study of your own into a folder", description=run_init.__doc__
    )
    init.set_defaults(run=run_init)
    init.add_argument(
        "folder", nargs="?", type=Path, default=Path(), help="where to write; default: the working directory"
    )
    init.add_argument(
        "--checkpoints", metavar="PATH", help="folder or glob of checkpoints of a finished run, in place of training"
    )

    stage = commands.add_parser("stage", help="run one stage of a study's project, as its dvc.yaml does")
    stage.set_defaults(run=run_stage)
    stage.add_argument("name", metavar="STAGE", help="such as train, dump or coupling; list prints all names")
    stage.add_argument(
        "arguments", nargs=argparse.REMAINDER, help="arguments of the stage, such as --run NAME, or --help"
    )

    parameters = commands.add_parser("parameters", help="print every parameter with its default, limits and meaning")
    parameters.set_defaults(run=lambda _: print(all_parameters(), end=""))

    dag = commands.add_parser("dag", help="print the pipeline by kinds of stages: a drawing in Mermaid, and a table")
    dag.set_defaults(run=lambda _: print(pipeline_overview(), end=""))

    summary = commands.add_parser("summary", help="print a run's coupling ratios and the path of its figure")
    summary.set_defaults(run=of_results(lambda given: print(run_summary(given.name)), "{name}/summary.*"))
    summary.add_argument("name", metavar="RUN", help="name of a run in params.yaml, such as add-42")

    interventions = commands.add_parser(
        "interventions", help="print grok steps of the intervention cells that were run"
    )
    interventions.set_defaults(run=of_paper(of_results(lambda _: print(intervention_tables()), "interventions/*")))

    ablations = commands.add_parser("ablations", help="print a run's coupling ratio under each ablated value")
    ablations.set_defaults(run=of_paper(of_results(lambda given: print(run_ablations(given.name)), "{name}/**/*")))
    ablations.add_argument("name", metavar="RUN", help="name of a run under ablation.runs, such as add-42")

    phases = commands.add_parser("phases", help="print single-checkpoint bases and both centroids at three phases")
    phases.set_defaults(run=of_paper(of_results(lambda given: print(run_phases(given.name)), "{name}/**/*")))
    phases.add_argument("name", metavar="RUN", help="name of a run under single_step.runs, such as add-42")

    geometry = commands.add_parser("geometry", help="print how straight runs are, and when their curvature rises")
    geometry.set_defaults(run=of_paper(of_results(lambda given: print(run_geometry(given.name)), "{name}/**/*")))
    geometry.add_argument("name", metavar="RUN", nargs="?", help="name of a run; default: all measured runs")

    seeds = commands.add_parser("seeds", help="print means over seeds of all finished runs, with intervals")
    seeds.set_defaults(run=of_paper(of_results(lambda _: print(all_seeds()), "*/summary.*")))

    compare = commands.add_parser(
        "compare",
        help="print the summaries of two folders of results side by side, such as those of two processors",
        description=run_compare.__doc__,
    )
    compare.set_defaults(run=run_compare)
    compare.add_argument("first", metavar="A", type=Path, help="folder of results, such as artifacts/results")
    compare.add_argument("second", metavar="B", type=Path, help="another one, with the same runs")
    text = "write the tables to this file, such as processors/h200.md, in place of printing them"
    compare.add_argument("--to", metavar="FILE", type=Path, help=text)

    documents = commands.add_parser(
        "documents", help="render README.md, docs/results.md and reports/index.html from what reports/ holds"
    )
    documents.set_defaults(run=of_paper(lambda _: update_documents()))

    pack = commands.add_parser(
        "pack", help="put all result tables into one file that git keeps", description=run_pack.__doc__
    )
    pack.set_defaults(run=run_pack)
    text = "folders of sweeps whose tables go into packs of their own, such as sweeps/doses; default: all but sweeps"
    pack.add_argument("sweeps", nargs="*", type=Path, metavar="SWEEP", help=text)
    pack.add_argument("--drop", action="store_true", help="leave out tables of the pack that no lock names")

    unpack = commands.add_parser(
        "unpack", help="unpack the result tables that git keeps", description=run_unpack.__doc__
    )
    unpack.set_defaults(run=run_unpack)
    text = "folders of sweeps whose packs to unpack, such as sweeps/doses; default: the pack in reports/"
    unpack.add_argument("sweeps", nargs="*", type=Path, metavar="SWEEP", help=text)
    unpack.add_argument("--if-none", action="store_true", help="only if the clone has no results at all")

    bundle = commands.add_parser(
        "bundle", help="put what others analyse of some runs into one file", description=run_bundle.__doc__
    )
    bundle.set_defaults(run=run_bundle)
    bundle.add_argument("runs", nargs="+", metavar="RUN", help="names of runs in params.yaml, such as add-42")
    bundle.add_argument("--to", type=Path, required=True, metavar="FILE", help="file to write, such as dumps.tar")
    bundle.add_argument("--checkpoints", action="store_true", help="their checkpoints as well")

    unbundle = commands.add_parser(
        "unbundle", help="take somebody's bundle into cache and workspace", description=run_unbundle.__doc__
    )
    unbundle.set_defaults(run=run_unbundle)
    unbundle.add_argument("file", type=Path, metavar="FILE", help="a bundle, as `sedlib bundle` writes it")

    repro = commands.add_parser("repro", help="run stale stages in parallel", description=run_repro.__doc__)
    repro.set_defaults(run=run_repro)
    add_cluster_arguments(repro)
    text = "keep the folder of a stage that fails, and print the command that runs it there by hand"
    repro.add_argument("--keep-failed", action="store_true", help=text)

    plan = commands.add_parser(
        "plan", help="say what repro would run, pull and restore, and the cost", description=run_plan.__doc__
    )
    plan.set_defaults(run=run_plan)
    plan.add_argument("targets", nargs="*", metavar="TARGET", help="as for `dvc repro`; default: every stage")
    plan.add_argument(
        "-S",
        "--set-param",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="what if: the workspace stays as it is",
    )

    costs = commands.add_parser(
        "costs", help="print time and memory of each stage, as repro measured them", description=run_costs.__doc__
    )
    costs.set_defaults(run=run_costs)
    text = "write the costs of this clone into reports/costs.csv, which git keeps and the report shows"
    costs.add_argument("--keep", action="store_true", help=text)

    verify = commands.add_parser(
        "verify", help="find damaged files in workspace, cache and remote", description=run_verify.__doc__
    )
    verify.set_defaults(run=run_verify)
    verify.add_argument(
        "paths", nargs="*", type=Path, metavar="PATH", help="files and folders to check; default: everything"
    )
    verify.add_argument(
        "--remote", nargs="?", const="", metavar="NAME", help="check a remote as well: NAME, or the default remote"
    )
    verify.add_argument("--fix", action="store_true", help="restore what is whole elsewhere, remove the rest")

    selftest = commands.add_parser(
        "selftest",
        help="compare every routine with a slow float64 oracle on this machine",
        description=run_selftest.__doc__,
    )
    selftest.set_defaults(run=run_selftest)
    selftest.add_argument("--device", metavar="NAME", help="cpu, cuda, cuda:N, mps or xpu; default: SEDLIB_DEVICE")
    selftest.add_argument(
        "--dtype",
        choices=("float32", "float64"),
        default="float32",
        help="precision of the arguments; default: float32",
    )
    selftest.add_argument("--json", action="store_true", help="print versions and outcomes as JSON")

    text = "repair DVC's own files after a crash; merge the dvc.lock of two branches"
    repair = commands.add_parser("repair", help=text, description=run_repair.__doc__)
    repair.set_defaults(run=run_repair)

    sweep = commands.add_parser("sweep", help="run a grid of experiments in parallel", description=run_sweep.__doc__)
    sweep.set_defaults(run=run_sweep)
    add_cluster_arguments(sweep)
    text = "as for `dvc exp run`, with several values: window=1,5,10; repeat the option for a grid"
    sweep.add_argument("-S", "--set-param", action="append", required=True, metavar="NAME=VALUES", help=text)

    given = parser.parse_args(arguments)
    find_own_python()
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that has no ≤ shows ? in its place
    try:
        given.run(given)
    except UserError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        print("stopped by SIGINT: the command is not finished", file=sys.stderr, flush=True)
        sys.exit(128 + signal.SIGINT)
    except ImportError as error:
        if (sentence := what_to_install(error)) is None:
            raise
        sys.exit(f"error: {sentence}")
    except OSError as error:
        if (reason := unwritable(error)) is None and error.filename is None:
            raise
        if reason is None or isinstance(error, PermissionError):
            reason = "a file cannot be read or written; look at its name, its kind and your rights"
        sys.exit(f"error: {reason} ({error})")


def find_own_python() -> None:
    """Put this environment first in PATH where `python`, as stages are called, is another's: it is not activated."""
    folder, found = Path(sys.executable).parent, shutil.which("python")
    if found is None or Path(found).parent != folder:
        os.environ["PATH"] = os.pathsep.join([str(folder), os.environ.get("PATH", "")])


def of_paper(command: Callable[[argparse.Namespace], None]) -> Callable[[argparse.Namespace], None]:
    """A command that reads what only the paper's runs have; it is refused in the project of another study."""

    def run(given: argparse.Namespace) -> None:
        from sedlib.studies.project_checks import is_project

        if is_project(Path()):
            raise UserError(
                "this command shows the paper's runs, and study.py here is of another study: its runs side by side are "
                "in reports/questions.md, which `dvc repro report` writes; `sedlib summary RUN` shows one"
            )
        command(given)

    return run


def of_results(command: Callable[[argparse.Namespace], None], files: str) -> Callable[[argparse.Namespace], None]:
    """A command that reads results; a clone without results takes those that git keeps, and an error says so.

    ``files`` is a glob of what the command reads among the results, ``{name}`` the run, or any run where none is given.
    """

    def run(given: argparse.Namespace) -> None:
        from sedlib.base.described.described_pairs import require_pairs
        from sedlib.upkeep.packing.place import RESULTS
        from sedlib.upkeep.packing.unpack import only_in_pack, unpack_if_none

        unpack_if_none()
        if (name := getattr(given, "name", None)) is not None:
            require_run(name)
        try:
            require_pairs(RESULTS, files.format(name=name or "*"))
            command(given)
        except UserError as error:
            raise UserError(". ".join([str(error).removesuffix("."), *only_in_pack()])) from error

    return run


def require_run(name: str) -> None:
    """Refuse a run without results that params.yaml does not have, as no command could compute them.

    Raises
    ------
    UserError
        There is no such run, or no params.yaml, or the name can be no file's.
    """
    from sedlib.pipeline.parameters.sections import PARAMS_FILE, read_params, some
    from sedlib.pipeline.workspace import Workspace

    if Workspace(name).results.exists():
        return
    runs = read_params(PARAMS_FILE).get("runs") or {}
    if name not in runs:
        raise UserError(f"{quoted(name)} is no run of {PARAMS_FILE}, which has {some(runs) or 'none'}")


def worker_count(text: str) -> int:
    """How many processes a machine may be asked for, as the type of an argument."""
    if not text.isdecimal() or len(text) > len(str(MOST_WORKERS)) or not 0 < int(text) <= MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"{quoted(text)} must be a whole number from 1 to {MOST_WORKERS}")
    return int(text)


def add_cluster_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of every command that runs stages in parallel."""
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="as for `dvc repro`; default: every stage")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--workers", type=worker_count, metavar="N", help="processes on this machine; default: one per core"
    )
    where.add_argument("--scheduler", metavar="ADDRESS", help="a running Dask scheduler, such as tcp://host:8786")
    where.add_argument("--cluster", type=Path, metavar="FILE", help="a Dask cluster to start: docs/cluster.md")


def run_init(given: argparse.Namespace) -> None:
    """Write dvc.yaml, params.yaml and a study.py that runs as it is, and make the folder a git and DVC repository.

    An existing file stays as it is. README.md says what to edit.
    """
    from sedlib.studies.project_folder import nothing_found, write_project

    written = write_project(given.folder, given.checkpoints)
    print(f"{given.folder.resolve()}: wrote {', '.join(written)}")
    if given.checkpoints is not None and nothing_found(given.folder, given.checkpoints):
        print(f"Nothing is at {quoted(given.checkpoints)} yet, seen from there: bring checkpoints, as by `dvc import`")
    print("Next: edit study.py and params.yaml, or leave them; `sedlib check`; `dvc repro`; open reports/index.html")
    print("`dvc exp run` starts from a commit: before the first one, `git add .` and `git commit`")


def run_stage(given: argparse.Namespace) -> None:
    """Run the script of one stage in the working directory.

    Raises
    ------
    UserError
        There is no such stage.
    """
    from sedlib.studies.stage_scripts import STAGES, described_stages, run_script

    if given.name == "list":
        print(described_stages())
    elif given.name not in STAGES:
        raise UserError(f"no stage {given.name!r}; there are:\n{described_stages()}")
    else:
        run_script(given.name, given.arguments)


def run_repro(given: argparse.Namespace) -> None:
    """Run the stages that DVC says are stale in parallel, then one `dvc repro` that restores their results."""
    from sedlib.cluster.repro import repro

    check_texts()
    sys.exit(repro(given.targets, workers_of(given), given.keep_failed))


def run_plan(given: argparse.Namespace) -> None:
    """Say which stages `sedlib repro` would run, pull or restore, and the core minutes they took last time.

    The command runs the stage `code`, which takes a second and says which other stages an edit concerns. No other
    stage runs. The command works in a fresh clone. With -S it plans for another value, in a copy.
    """
    check_texts()
    from sedlib.cluster.plan.preview import show_plan

    sys.exit(show_plan(given.targets, given.set_param))


def run_costs(given: argparse.Namespace) -> None:
    """Print time, processor time, peak memory, threads, processor and versions of each stage.

    The numbers are those of the last time that `sedlib repro` or `sedlib sweep` computed the stage in this clone (the
    table .dvc/tmp/sedlib/stage_runs.csv), else those that git keeps (reports/costs.csv).
    """
    from sedlib.cluster.stage_runs import KEPT, as_text, keep, known

    require_root(Path.cwd())
    if given.keep:
        print(f"{keep(Path())} rows of {KEPT} are new")
    elif runs := known(Path()):
        print(as_text(runs.values()))
    else:
        raise UserError(
            "neither `sedlib repro` nor `sedlib sweep` computed a stage here; plain `dvc repro` keeps no costs"
        )


def run_pack(given: argparse.Namespace) -> None:
    """Pack the result tables that DVC's locks name into reports/results.tar.xz; identical tables give identical bytes.

    A table that is missing here is taken from the existing pack, if the table is what the locks say. A pack that has
    tables which the locks do not name is kept as it is, unless ``--drop`` is given. Tables of a sweep go into
    SWEEP/results.tar.xz.
    """
    from sedlib.upkeep.packing.pack import pack
    from sedlib.upkeep.packing.place import MAIN, Place

    require_root(Path.cwd())
    for place in [Place.of_sweep(folder) for folder in given.sweeps] or [MAIN]:
        pack(place, drop=given.drop)


def run_unpack(given: argparse.Namespace) -> None:
    """Unpack into artifacts/results the tables of reports/results.tar.xz that are missing there, or those of sweeps.

    The tables must be what DVC's locks say, and params.yaml must be as it was when the tables were computed; otherwise
    nothing is written. Sweeps have parameters of their own, which DVC compares when it is asked what is stale.

    Raises
    ------
    UserError
        ``--if-none`` was given for sweeps.
    """
    from sedlib.upkeep.packing.pack import say_if_outdated
    from sedlib.upkeep.packing.place import PACK, Place
    from sedlib.upkeep.packing.unpack import has_results, only_in_pack, unpack

    require_root(Path.cwd())
    if given.sweeps and given.if_none:
        raise UserError("--if-none is for the pack in reports/; leave it out: unpacking a sweep overwrites nothing")
    if given.sweeps:
        for place in [Place.of_sweep(folder) for folder in given.sweeps]:
            unpack(place)
    elif not given.if_none or (PACK.exists() and not has_results()):
        unpack()
    elif PACK.exists():
        say_if_outdated()
        for text in only_in_pack():
            say(text)


def run_compare(given: argparse.Namespace) -> None:
    """Print the summaries of two folders of results side by side, how far each number moves, and what parts them.

    With --to the same goes into a file, which is replaced only if this command wrote it.
    """
    from sedlib.report.metrics.compared_sets import compared
    from sedlib.report.metrics.comparison_file import write_comparison

    if given.to is None:
        print(compared(given.first, given.second), end="")
    else:
        write_comparison(given.first, given.second, given.to)


def run_bundle(given: argparse.Namespace) -> None:
    """Write dvc.lock, dumps, bases, centroids and tables of some runs into one archive, to analyse without training.

    Each file must be what dvc.lock says. Identical files give identical bytes. `tar tvf FILE` lists the content.
    """
    from sedlib.upkeep.bundling.bundle import bundle

    bundle(given.runs, given.to, given.checkpoints)


def run_unbundle(given: argparse.Namespace) -> None:
    """Take the files of a bundle into DVC's cache, and link them into the workspace.

    Each file must have the size and the hash that this clone's dvc.lock has; otherwise nothing of the file is kept.
    """
    from sedlib.upkeep.bundling.unbundle import unbundle

    unbundle(given.file)


def run_verify(given: argparse.Namespace) -> None:
    """Compare every object that DVC's locks name with its hash, and every file with its seal and its description.

    DVC itself does not check its cache. The exit code is 1 if damage remains.
    """
    from sedlib.upkeep.verify import verify

    sys.exit(verify(given.paths, given.remote, given.fix))


def run_selftest(given: argparse.Namespace) -> None:
    """Compare every routine of the library, and the paper's network, with slow float64 oracles on the CPU.

    The selftest runs on the device and the threads that the stages would use (SEDLIB_DEVICE, SEDLIB_THREADS), takes
    less than a minute, and prints versions, each routine's error and the tolerance. Every routine must also give
    identical bits twice, and be within its tolerance on one thread. The exit code is 1 if a routine fails; the last
    lines name the routine. Stages run on an untested device only after the selftest passed there in float32:
    docs/machines.md.
    """
    if given.device is not None:
        os.environ["SEDLIB_DEVICE"] = given.device
    from sedlib.selftest.selftest_command import selftest

    sys.exit(selftest(given.dtype, given.json))


def run_repair(given: argparse.Namespace) -> None:
    """Repair dvc.lock, .dvc/tmp/rwlock and the run-cache after a crash in the middle of a write.

    In the middle of a `git merge` or `git rebase`, merge each dvc.lock with conflicts stage by stage, and `git add` the
    lock. A stage's entry comes from the branch that changed the entry; if both branches did, from the side that git
    calls ours.
    """
    from sedlib.cluster.exclusive import repair_workspace

    sys.exit(repair_workspace())


def run_sweep(given: argparse.Namespace) -> None:
    """Run a grid's stages in parallel, identical stages once, and register each point for `dvc exp show`."""
    check_texts()
    from sedlib.cluster.sweep import sweep

    sys.exit(sweep(given.set_param, given.targets, workers_of(given)))


def workers_of(given: argparse.Namespace) -> "Workers":
    """Where the command line says that stages run."""
    from sedlib.cluster.clusters import Workers

    return Workers(given.workers, given.scheduler, given.cluster)


def check_params(path: Path) -> None:
    """Refuse a params.yaml that any stage would refuse; in a study's project, a study.py that training would refuse.

    Raises
    ------
    UserError
        A value is refused, or study.py lacks something.
    """
    from sedlib.studies.project_checks import check_project, is_project

    if is_project(path.parent):
        check_project(path)
        return
    from sedlib.grokking.setup.params import Params

    Params.load(path)


def check_texts() -> None:
    """Refuse files of two branches, and a params.yaml, if there is one, with what no path and no command can hold.

    Raises
    ------
    UserError
        git has not finished a merge, or a text or a name is refused.
    """
    from sedlib.cluster.lock_merge import refuse_unmerged
    from sedlib.pipeline.parameters.sections import PARAMS_FILE, read_params

    refuse_unmerged(Path())
    if PARAMS_FILE.exists():
        read_params(PARAMS_FILE)


def all_parameters() -> str:
    """The page of parameters, as docs/parameters.md has it."""
    from sedlib.grokking.setup.params import Params
    from sedlib.pipeline.parameters.params_page import params_page
    from sedlib.pipeline.parameters.sections import PARAMS_FILE, read_params

    return params_page(Params, read_params(PARAMS_FILE))


def pipeline_overview() -> str:
    """The drawing and the table that docs/pipeline.md has."""
    from sedlib.pipeline.dag import overview

    require_root(Path.cwd())
    return overview()


def intervention_tables() -> str:
    """Tables of whatever intervention cells were run.

    Raises
    ------
    UserError
        No cell was run.
    """
    from sedlib.pipeline.parameters.grok_params import GrokParams
    from sedlib.pipeline.workspace import INTERVENTION_TABLES
    from sedlib.report.numbers.cell_results import as_text, grok_steps, has_options, read_cell

    tables = {file.stem: read_cell(file) for file in sorted(INTERVENTION_TABLES.glob("*.csv"))}
    apart = [name for name, table in tables.items() if has_options(table)]
    shown = [table for name, table in tables.items() if name not in apart]
    text = as_text(grok_steps(shown, GrokParams.load().grok_threshold))
    return text + (f"\n\nleft out, as these tables do not show their options: {', '.join(apart)}" if apart else "")


def run_ablations(name: str) -> str:
    """A run's ablations as text.

    Raises
    ------
    UserError
        The run was not measured, or not ablated.
    """
    from sedlib.grokking.setup.params import Params
    from sedlib.pipeline.workspace import Workspace
    from sedlib.report.numbers.ablated import ablation_table
    from sedlib.report.numbers.digits import printed
    from sedlib.report.numbers.results import RunFolder, RunResults

    folder = RunFolder(Workspace(name).results)
    table = ablation_table(RunResults.load(folder), folder, Params.load().grok_threshold)
    return printed(table, 4)


def run_phases(name: str) -> str:
    """A run's tables by phase as text: estimators from single checkpoints, and the definitions of the centroid.

    Raises
    ------
    UserError
        The run was not measured at single checkpoints.
    """
    from sedlib.pipeline.workspace import Workspace
    from sedlib.report.numbers.digits import printed
    from sedlib.report.numbers.phases import centroid_definitions, estimators
    from sedlib.report.numbers.results import RunFolder
    from sedlib.terms.tables.centroid_table import CENTROIDS
    from sedlib.terms.tables.single_step_tables import ANGLES, SINGLE_STEP

    folder = RunFolder(Workspace(name).results)
    single_step = folder.read(SINGLE_STEP)
    tables = {
        "bases from single checkpoints": estimators(single_step, folder.read(ANGLES)),
        "simplified and full centroid": centroid_definitions(folder.read(CENTROIDS), single_step),
    }
    return "\n\n".join(f"{name}: {title}\n{printed(table)}" for title, table in tables.items())


def run_geometry(name: str | None) -> str:
    """A run's geometry as text, with that of each attention matrix, or that of every run that was measured.

    Raises
    ------
    UserError
        It was not measured.
    """
    from sedlib.grokking.setup.params import Params
    from sedlib.pipeline.workspace import Workspace
    from sedlib.report.numbers.digits import printed
    from sedlib.report.numbers.results import RunFolder
    from sedlib.report.numbers.trajectories import Geometry, as_text, geometry_numbers
    from sedlib.terms.tables.training_table import TRAINING

    folders = {run: RunFolder(Workspace(run).results) for run in ([name] if name else Params.load().runs)}
    found = {run: Geometry.load(folder) for run, folder in folders.items() if name or Geometry.is_there(folder)}
    if not found:
        raise UserError("no run's geometry was measured; run `dvc repro geometry/dvc.yaml`")
    numbers = {}
    for run, one in found.items():
        with located(f"geometry of {run}"):
            numbers[run] = geometry_numbers(one, folders[run].read(TRAINING))
    text = as_text(numbers)
    if name is None:
        return text
    return f"{text}\n\n{printed(found[name].trajectory, 4)}"


def all_seeds() -> str:
    """Means over seeds of whatever runs are finished.

    Raises
    ------
    UserError
        No run is finished.
    """
    from sedlib.grokking.setup.params import Params
    from sedlib.pipeline.workspace import Workspace
    from sedlib.report.numbers.experiments import as_text, seed_means
    from sedlib.report.numbers.results import RunFolder

    runs = [Workspace(name) for name in Params.load().runs]
    summaries = {run.run: RunFolder(run.results).summary() for run in runs if run.summary.exists()}
    if not summaries:
        raise UserError("no run is finished; run `dvc repro figures`")
    return as_text(seed_means(summaries))


def update_documents() -> None:
    """Render the pages of docs/templates, README.md among them, and the report's page from the report's numbers.

    Raises
    ------
    UserError
        There is no report, or it is not as it was written, or a template does not fit it.
    """
    from sedlib.report.page.as_written import require_as_written
    from sedlib.report.page.documents import update
    from sedlib.report.page.writing import write_page

    numbers = Path("reports/metrics.json")
    if not numbers.exists():
        require_root(Path.cwd())
        raise UserError(f"{numbers} is missing; run `make report`")
    require_as_written(numbers.parent)
    update(Path(), json.loads(numbers.read_text()))
    write_page(numbers.parent)


def run_summary(name: str) -> str:
    """A run's summary as text, with the path of its coupling figure.

    Raises
    ------
    UserError
        The run's figures stage has not run.
    """
    from sedlib.pipeline.workspace import Workspace
    from sedlib.report.numbers.results import RunFolder
    from sedlib.report.numbers.summary import as_text

    run = Workspace(name)
    text, figure = as_text(name, RunFolder(run.results).summary()), run.figures / "coupling.svg"
    drawn = "" if figure.exists() else f", once it is drawn: python stages/figures.py --run {name}"
    return f"{text}\nfigure: {figure}{drawn}"
