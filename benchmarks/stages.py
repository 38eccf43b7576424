"""What the committed run took: time, memory and disk of each kind of stage: python -m benchmarks.stages.

Nothing is measured here. Times and memory are those that `sedlib repro` kept of each stage (reports/costs.csv), sizes
those of the locks.
"""

from collections import defaultdict
from pathlib import Path

import pandas as pd
from ruamel.yaml import YAML

from benchmarks.page import ROOT
from sedlib.report.tabled.cost_tables import COSTS, cost_tables

LOCKS = ("", "ablations", "geometry", "interventions")
MIB = 2**20


def sizes() -> dict[str, float]:
    """MiB of all outputs of each kind of stage, as the locks have them."""
    found: dict[str, float] = defaultdict(float)
    for folder in LOCKS:
        lock = Path(folder, "dvc.lock")
        for name, stage in YAML(typ="safe").load((ROOT / lock).read_text())["stages"].items():
            kind = name.partition("@")[0]
            address = f"{folder}/dvc.yaml:{kind}" if folder else kind
            found[address] += sum(out["size"] for out in stage.get("outs", [])) / MIB
    return found


def table() -> pd.DataFrame:
    """A row per kind of stage, and one of all.

    Raises
    ------
    SystemExit
        git keeps no costs.
    """
    kinds = cost_tables(ROOT / "reports").get("costs")
    if kinds is None:
        raise SystemExit(f"error: reports/{COSTS} is missing; run `make report` where the stages were computed")
    on_disk = sizes()
    shown = kinds.drop(columns=["threads", "processor", "versions"]).rename(columns={"stages of kind": "stage"})
    shown["disk MiB of all"] = [f"{on_disk.get(kind, 0):,.0f}" for kind in shown["stage"]]
    stages = pd.read_csv(ROOT / "reports" / COSTS)
    total = {
        "stage": "all",
        "n": len(stages),
        "core minutes of all": f"{stages['core_minutes'].sum():.0f}",
        "disk MiB of all": f"{sum(on_disk[kind] for kind in kinds['stages of kind'] if kind in on_disk):,.0f}",
    }
    return pd.concat([shown, pd.DataFrame([total])]).fillna("")


if __name__ == "__main__":
    print(table().to_markdown(index=False, disable_numparse=True))
