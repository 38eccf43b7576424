"""What the committed run took: time, memory and disk of each kind of stage: python -m benchmarks.stages.

Nothing is measured here. Times and memory are those that `sedlib repro` kept of each stage (reports/costs.csv), sizes
those of the stage's outputs in the lock of its folder. Stages of a lock that have no costs are in the last line.
"""

import argparse

import pandas as pd
from ruamel.yaml import YAML

from benchmarks.lock_lines import PIPELINES, locks
from benchmarks.page import ROOT
from sedlib.report.tabled.cost_tables import COSTS, cost_tables

LOCKED = (*PIPELINES, "sweeps/*/dvc.lock")
"""Where stages are whose costs git keeps."""
MIB = 2**20


def sizes() -> "pd.Series[float]":
    """MiB of the outputs of each stage, by its address as DVC and the costs name it."""
    found: dict[str, float] = {}
    for lock in locks(ROOT, *LOCKED):
        folder = lock.parent.relative_to(ROOT)
        prefix = "" if lock.parent == ROOT else f"{folder.as_posix()}/dvc.yaml:"
        for name, stage in YAML(typ="safe").load(lock.read_text())["stages"].items():
            found[prefix + name] = sum(out["size"] for out in stage.get("outs", [])) / MIB
    return pd.Series(found)


def kind_of(stage: "pd.Series[str]") -> "pd.Series[str]":
    """The group of each stage: what stands before its @."""
    return stage.str.partition("@")[0]


def table(costs: pd.DataFrame, on_disk: "pd.Series[float]") -> pd.DataFrame:
    """A row per kind of stage, and one of all; ``on_disk`` are those of stages with costs."""
    by_kind = on_disk.groupby(kind_of(on_disk.index.to_series())).sum()
    shown = cost_tables(ROOT / "reports")["costs"].drop(columns=["threads", "processor", "versions"])
    shown = shown.rename(columns={"stages of kind": "stage"})
    shown["disk MiB of all"] = [f"{by_kind[kind]:,.0f}" for kind in shown["stage"]]
    total = {
        "stage": "all",
        "n": len(costs),
        "core minutes of all": f"{costs['core_minutes'].sum():.0f}",
        "disk MiB of all": f"{on_disk.sum():,.0f}",
    }
    return pd.concat([shown, pd.DataFrame([total])]).fillna("")


def main() -> None:
    """Print the processors, the table, and what it leaves out.

    Raises
    ------
    SystemExit
        git keeps no costs, or those of a stage that no lock has.
    """
    path = ROOT / "reports" / COSTS
    if not path.exists():
        raise SystemExit(f"error: reports/{COSTS} is missing; run `make report` where the stages were computed")
    costs, on_disk = pd.read_csv(path).drop_duplicates("stage", keep="last"), sizes()
    if unknown := sorted(set(costs["stage"]) - set(on_disk.index)):
        raise SystemExit(f"error: reports/{COSTS} has {unknown[0]}, which no dvc.lock has; run `make report`")
    rest = on_disk.drop(costs["stage"])
    print(f"Stages ran on {' and '.join(costs['processor'].unique())}.\n")
    print(table(costs, on_disk[costs["stage"]]).to_markdown(index=False, disable_numparse=True))
    print(f"\nLocks have {len(rest):,} more stages, of {rest.sum():,.0f} MiB, whose costs git does not keep.")


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    main()
