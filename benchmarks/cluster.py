"""What running stages in parallel costs: `python -m benchmarks.cluster`.

Two figures. CPU seconds per stage beyond the stage's own work, on this repository's pipeline with stages that do
nothing: the clone, DVC in it, the engine, and the last `dvc repro`'s share. And how busy the engine keeps a cluster
of 16 workers with 200 stages of one second, which sleep, so that a machine of any size can stand for the cluster.
"""

import argparse
import subprocess
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

from distributed import Client, LocalCluster

from benchmarks.timing import cpu_seconds
from sedlib.cluster import engine
from sedlib.cluster.plan.jobs import Job, Settled, Task
from sedlib.cluster.view import View
from sedlib.cluster.worker.workers import OneStageAtATime

STAGES, WORKERS, SECONDS = 200, 16, 1.0


def sleep(job: Job, bundle: bytes, *upstream: Settled) -> Settled:
    """In place of `run_stage`."""
    time.sleep(SECONDS)
    return Settled(job.task.file, job.task.name, {}, restored=False)


def busy(chains: int) -> float:
    """Share of the workers' time in stages; the stages form ``chains`` of equal length, as runs do."""
    keys = [f"stage-{number}" for number in range(STAGES)]
    needs = {key: (keys[number - chains],) if number >= chains else () for number, key in enumerate(keys)}
    tasks = [Task(key, "dvc.yaml", key, key, needs[key], on_device=True) for key in keys]
    jobs = [Job(task, "none", ".", {}, "benchmark", False, {}) for task in tasks]
    with (
        patch.object(engine, "run_stage", sleep),
        LocalCluster(n_workers=WORKERS, threads_per_worker=1, processes=False, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        client.register_plugin(OneStageAtATime())
        view = View({key: key for key in keys}, "none")
        start = time.perf_counter()
        outcome = engine.execute(client, jobs, {"none": b""}, view, lambda done: None)
        wall = time.perf_counter() - start
    assert len(outcome.done) == STAGES
    return STAGES * SECONDS / (WORKERS * wall)


def overhead(stages: int) -> tuple[float, float]:
    """CPU seconds per stage of `sedlib repro --workers 1`, and of plain `dvc repro`, where stages only copy a file."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name, "repository")
        subprocess.run(["git", "clone", "--quiet", ".", str(root)], check=True)
        names = " ".join(f"s{number}," for number in range(stages)).rstrip(",")
        copies = (
            f"  copy:\n    foreach: [{names}]\n    do:\n      cmd: install -D README.md artifacts/${{item}}\n"
            "      deps: [README.md]\n      outs:\n        - artifacts/${item}\n"
        )
        (root / "dvc.yaml").write_text((root / "dvc.yaml").read_text().replace("stages:\n", f"stages:\n{copies}", 1))
        parallel = cpu_seconds(root, "sedlib", "repro", "--workers", "1", "copy")
        subprocess.run(["rm", "-rf", ".dvc/cache", "artifacts"], cwd=root, check=True)
        subprocess.run(["git", "checkout", "--quiet", "dvc.lock"], cwd=root, check=True)
        serial = cpu_seconds(root, "dvc", "repro", "copy")
        return parallel / stages, serial / stages


def main() -> None:
    """Print both figures."""
    few, many = overhead(2), overhead(8)
    slopes = [(large * 8 - small * 2) / 6 for small, large in zip(few, many, strict=True)]
    print("CPU seconds per stage that copies a file: {:.2f}; of plain dvc repro {:.2f}".format(*slopes), flush=True)
    for chains in (STAGES, 20, WORKERS):
        print(f"{STAGES} stages of {SECONDS:.0f} s in {chains} chains on {WORKERS} workers: {busy(chains):.1%} busy")


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    main()
