"""Time and peak memory of each stage against what grows: checkpoints T, slots N, probes P, window W, runs.

    python -m benchmarks.growth [--axes checkpoints slots probes window runs]

Stage scripts run one after another on one thread in a temporary folder, on runs of addition that take a step between
checkpoints; one quantity changes at a time. With the number of runs grows what DVC itself does: `dvc status`.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parent.parent
STAGES = ("train", "dump", "bases", "centroids", "coupling", "trajectory", "curvature")
BASE: dict[str, Any] = {"checkpoints": 60, "slots": 131_072, "probes": 512, "window": 10}
AXES = {
    "checkpoints": (30, 60, 120),
    "slots": (32_768, 131_072, 524_288),
    "probes": (256, 512, 1024),
    "window": (5, 10, 20),
}
RUNS = (15, 30, 60)


def parameters(values: dict[str, Any]) -> dict[str, Any]:
    """The paper's parameters with these sizes; four checkpoints are measured."""
    params = YAML(typ="safe").load((ROOT / "params.yaml").read_text())
    width = round((values["slots"] / 8) ** 0.5)
    run = {"ops": ["add"], "seed": 42, "checkpoint_every": 1, "max_steps": values["checkpoints"] - 1}
    return {
        **params,
        "window": values["window"],
        "measured_checkpoints": 4,
        "probes": {"count": values["probes"], "seed": 0},
        "geometry": {"curvature": {"every": values["checkpoints"] // 4}},
        "model": {**params["model"], "d_model": width, "d_ff": 2 * width},
        "ablation": {**params["ablation"], "runs": []},
        "single_step": {"runs": []},
        "interventions": {**params["interventions"], "runs": [], "varied_runs": []},
        "runs": {"add-42": run},
    }


def measured(command: list[str], folder: Path, **variables: str) -> tuple[float, float]:
    """Seconds and MB of a command, run in ``folder``."""
    start = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, env={**os.environ, **variables}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{command} ended with {os.waitstatus_to_exitcode(status)} in {folder}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def stage(name: str, folder: Path) -> tuple[float, float]:
    """Seconds and MB of one stage script."""
    command = [sys.executable, str(ROOT / "stages" / f"{name}.py"), "--run", "add-42"]
    return measured(command, folder, PYTHONPATH=str(ROOT), SEDLIB_THREADS="1", SEDLIB_DEVICE="cpu")


def grow(axis: str) -> None:
    """Print a line per value of ``axis``."""
    print(f"\n| {axis} | " + " | ".join(f"{name}: s | MB" for name in STAGES) + " |")
    print("|---" * (1 + 2 * len(STAGES)) + "|")
    for value in AXES[axis]:
        with tempfile.TemporaryDirectory(prefix="sedlib-growth-") as folder:
            shutil.copy(ROOT / "study.py", folder)
            with (Path(folder) / "params.yaml").open("w") as file:
                YAML().dump(parameters({**BASE, axis: value}), file)
            cells = [f"{seconds:.1f} | {memory:,.0f}" for seconds, memory in (stage(n, Path(folder)) for n in STAGES)]
        print(f"| {value:,} | {' | '.join(cells)} |", flush=True)


def grow_runs() -> None:
    """Print the time of `dvc status` for pipelines of more and more runs."""
    print("\n| runs | dvc status: s | MB |\n|---|---|---|")
    params = YAML(typ="safe").load((ROOT / "params.yaml").read_text())
    for count in RUNS:
        with tempfile.TemporaryDirectory(prefix="sedlib-growth-") as folder:
            clone = Path(folder) / "clone"
            subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
            shutil.copy(ROOT / "dvc.yaml", clone)
            runs = {f"add-{seed}": {"ops": ["add"], "seed": seed} for seed in range(count)}
            named = {name: {**params[name], "runs": []} for name in ("ablation", "single_step", "interventions")}
            with (clone / "params.yaml").open("w") as file:
                YAML().dump({**params, **named, "runs": runs}, file)
            seconds, memory = measured([sys.executable, "-m", "dvc", "status"], clone)
        print(f"| {count} | {seconds:.1f} | {memory:,.0f} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--axes", nargs="+", choices=[*AXES, "runs"], default=[*AXES, "runs"])
    for chosen in parser.parse_args().axes:
        grow_runs() if chosen == "runs" else grow(chosen)
