"""A run at three checkpoints: bases from single checkpoints, and the two definitions of the centroid."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from sedlib.report.results import RunResults, grok_step

KINDS = ("logit", "full")


def phase_steps(training: pd.DataFrame, measured: Sequence[int], threshold: float) -> dict[str, int]:
    """Step of each phase among the ``measured``.

    init is the first; mid, the nearest to half the grok step; after, the last. The grok step is that by which every
    operation grokked. A run that never groks has no phase after it, and its mid is half of training.
    """
    grokked = [grok_step(training, str(op), threshold) for op in training["op"].unique()]
    found = [step for step in grokked if step is not None]
    never = len(found) < len(grokked)
    half = (measured[-1] if never else max(found)) / 2
    mid = min(measured, key=lambda step: abs(step - half))
    return {"init": measured[0], "mid": mid, **({} if never else {"after": measured[-1]})}


def estimators(single_step: pd.DataFrame, angles: pd.DataFrame) -> pd.DataFrame:
    r"""A row per phase and operation: R̄ of each estimator.

    ``cosine`` is that between the first per-example direction and the mean gradient, without its sign.
    """
    keys = ["phase", "step", "op"]
    mean = single_step.groupby([*keys, "estimator"], sort=False)["ratio"].mean().unstack()  # noqa: PD010
    to_mean = angles[(angles["first"] == "per-example") & (angles["second"] == "mean-gradient")]
    table = mean.assign(cosine=to_mean.groupby(keys)["first_cosine"].first()).reset_index()
    return table.sort_values("step", ignore_index=True)


def centroid_definitions(results: RunResults, centroid_ablation: pd.DataFrame, threshold: float) -> pd.DataFrame:
    r"""A row per phase and operation: rank-90 of the logit and the full centroid, their agreement, and R̄ under each.

    R̄ is that of the operation's gradient basis; empty where its window is not whole.
    """
    measured = sorted(results.centroids["step"].unique().tolist())
    ratios = centroid_ablation.groupby(["value", "op", "step"])["ratio"].mean().to_dict()
    rows = []
    for phase, step in phase_steps(results.training, measured, threshold).items():
        for op in results.ops:
            at = results.centroids[(results.centroids["step"] == step) & (results.centroids["op"] == op)]
            by_kind: dict[str, Any] = {row["centroid"]: row for row in at.to_dict("records")}
            row: dict[str, Any] = {"phase": phase, "step": step, "op": op}
            row |= {f"rank90_{kind}": by_kind[kind]["rank90"] for kind in KINDS}
            row |= {name: by_kind["logit"][name] for name in ("row_cosine", "top1_cosine", "top3_cosine")}
            row |= {f"ratio_{kind}": ratios.get((kind, op, step)) for kind in KINDS}
            rows.append(row)
    return pd.DataFrame(rows)
