"""Which commands bring back a file that a stage writes."""

from pathlib import Path


def remedy(stage: str, *files: Path) -> str:
    """For a message about ``files`` that are missing, damaged or other ones than were expected.

    ``stage`` is the address of the stage that writes them, or its dvc.yaml. DVC takes a read-only object of its cache
    for whole, and a file in the workspace may be that very object: no command of DVC alone replaces damaged bytes.
    """
    names = " ".join(map(str, files))
    target = stage if stage.endswith(".yaml") else f"--single-item {stage}"
    if not all(file.exists() for file in files):
        return f"Write it with `dvc repro {target}`, or fetch it with `dvc pull {names}`."
    return (
        f"If the file is damaged, `sedlib verify --fix {names}` restores it, or names the stage to run; if it is "
        f"another file, write it again with `dvc repro --force {target}`."
    )
