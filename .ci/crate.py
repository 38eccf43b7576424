"""Writes the run that reports/ holds as an RO-Crate, a folder or a zip with metadata, for an archive of data.

The crate has what git keeps of the run, its sweeps and studies, and of the same runs on other processors: pipelines,
locks, parameters, reports and result tables, bytes as they are. The dumps, which DVC keeps, are described by name, size
and MD5. Profile: Workflow Run Crate 0.5.
"""

import argparse
import csv
import subprocess
import tomllib
from pathlib import Path

from rocrate.model import ContextEntity
from rocrate.model.computerlanguage import ComputerLanguage
from rocrate.rocrate import ROCrate
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
LICENCE = "https://www.apache.org/licenses/LICENSE-2.0"
KINDS = {
    "": "text/plain",
    ".csv": "text/csv",
    ".html": "text/html",
    ".json": "application/json",
    ".lock": "application/yaml",
    ".md": "text/markdown",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".xz": "application/x-xz",
    ".yaml": "application/yaml",
}


def crate():
    """The crate, not written yet.

    Raises
    ------
    SystemExit
        There are no results that git keeps, or files differ from the last commit.
    """
    if not (ROOT / "reports/results.tar.xz").exists():
        raise SystemExit("error: reports/results.tar.xz is missing; run `make results` first")
    if changed := git("status", "--porcelain", "--untracked-files=no"):
        raise SystemExit(f"error: these differ from the last commit, commit them first:\n{changed}")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    made = ROCrate(version="1.1")  # which the profiles build on
    made.name = f"sedlib {project['version']}: spectral edge diagnostics of grokking, a run"
    made.description = project["description"]
    made.datePublished = git("log", "-1", "--format=%cI", "--", "reports/results.tar.xz")
    made.license = entity(made, LICENCE, "CreativeWork", name="Apache License 2.0")
    profiles = [
        entity(made, url, "CreativeWork", name=name, version=url.split("/")[-1]) for url, name in PROFILES.items()
    ]
    made.root_dataset["conformsTo"] = profiles
    maintainers = entity(made, "#maintainers", "Organization", name="The sedlib maintainers")
    made.root_dataset["author"] = made.root_dataset["publisher"] = maintainers
    files = {name: add_file(made, name) for name in listed() if name != "dvc.yaml"}
    files["README.md"]["about"] = made.root_dataset
    workflow = add_workflow(made, project)
    action = entity(made, "#run", "CreateAction", name="dvc repro of every stage", description=costs())
    action["instrument"] = workflow
    action["object"] = files["params.yaml"]
    action["result"] = [file for name, file in files.items() if is_result(name)]
    action["agent"] = maintainers
    action["actionStatus"] = "http://schema.org/CompletedActionStatus"
    made.root_dataset["mentions"] = [action, *dumps(made)]
    return made


def listed():
    """What git keeps of the run, by name."""
    pipelines = ("params.yaml", "*/params.yaml", "dvc.*", "*/dvc.*")
    folders = ("reports/*", "*/reports/*", "sweeps/*", "processors/*")
    names = git("ls-files", *pipelines, *folders, "*.md", "LICENSE").splitlines()
    return [
        name
        for name in names
        if not name.startswith(("tests/", "sedlib/", "docs/templates/")) and Path(name).suffix in KINDS
    ]


def is_result(name):
    """Whether stages wrote the file: what lies in a folder reports, and of sweeps what is not their input."""
    path = Path(name)
    inputs = path.name.startswith("dvc.") or path.name in ("params.yaml", "cost.txt")
    return "reports" in path.parts or (path.parts[0] == "sweeps" and not inputs)


def add_file(made, name):
    """A file as it is."""
    path = ROOT / name
    properties = {"name": name, "contentSize": str(path.stat().st_size), "encodingFormat": KINDS[path.suffix]}
    return made.add_file(path, dest_path=name, properties=properties)


def add_workflow(made, project):
    """dvc.yaml, which DVC runs."""
    about = {"name": "DVC", "identifier": {"@id": "https://dvc.org/"}, "url": {"@id": "https://dvc.org/"}}
    language = made.add(ComputerLanguage(made, identifier="#dvc", properties=about))
    workflow = made.add_workflow(
        ROOT / "dvc.yaml", "dvc.yaml", main=True, lang=language, properties={"name": "the pipeline of sedlib"}
    )
    workflow["encodingFormat"] = "application/yaml"
    workflow["version"] = project["version"]
    workflow["conformsTo"] = {"@id": "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"}
    workflow["license"] = {"@id": LICENCE}
    workflow["url"] = "https://dvc.org/doc/user-guide/project-structure/dvcyaml-files"
    return workflow


def dumps(made):
    """Gradients and checkpoints of each run, which the crate does not hold."""
    stages = YAML(typ="safe").load((ROOT / "dvc.lock").read_text())["stages"]
    outs = [out for stage in stages.values() for out in stage.get("outs", [])]
    return [
        entity(
            made,
            f"#{out['path']}",
            "CreativeWork",
            name=out["path"],
            description="kept by DVC, not in this crate; docs/data-card.md says what it holds",
            encodingFormat="application/x-hdf5",
            contentSize=str(out["size"]),
            identifier=f"md5:{out['md5']}",
        )
        for out in outs
        if out["path"].startswith(("artifacts/gradients/", "artifacts/checkpoints/"))
    ]


def costs():
    """What the run took."""
    path = ROOT / "reports/costs.csv"
    if not path.exists():
        return "the cost was not recorded"
    with path.open() as table:
        rows = list(csv.DictReader(table))
    return f"{len(rows)} stages, {sum(float(row['core_minutes']) for row in rows):.0f} core minutes"


def entity(made, identifier, kind, /, **properties):
    """Something that the crate speaks of."""
    return made.add(ContextEntity(made, identifier, properties={"@type": kind, **properties}))


def git(*arguments):
    """What git prints."""
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", type=Path, help="a folder; or a file .zip")
    target = parser.parse_args().target
    (crate().write_zip if target.suffix == ".zip" else crate().write)(target)
    print(f"{target}: written")
