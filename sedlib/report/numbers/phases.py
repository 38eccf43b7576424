"""A run at three checkpoints: bases from single checkpoints, and the two definitions of the centroid."""

from typing import Any

import pandas as pd

from sedlib.base.errors import UserError

CENTROIDS = ("logit", "full")


def estimators(single_step: pd.DataFrame, angles: pd.DataFrame) -> pd.DataFrame:
    r"""A row per phase and operation: R̄ of each estimator under the logit centroid.

    ``cosine`` is that between the first per-example direction and the mean gradient, without its sign.
    """
    keys = ["phase", "step", "op"]
    logit = single_step[single_step["centroid"] == "logit"]
    mean = logit.groupby([*keys, "estimator"], sort=False)["ratio"].mean().unstack()  # noqa: PD010
    to_mean = angles[(angles["first"] == "per-example") & (angles["second"] == "mean-gradient")]
    table = mean.assign(cosine=to_mean.groupby(keys)["first_cosine"].first()).reset_index()
    return table.sort_values("step", ignore_index=True)


def centroid_definitions(centroids: pd.DataFrame, single_step: pd.DataFrame) -> pd.DataFrame:
    r"""A row per phase and operation: rank-90 of the logit and the full centroid, their agreement, and R̄ under each.

    R̄ is that of the window's basis and, as no window is whole at init, of the per-example basis.

    Raises
    ------
    UserError
        The two tables are of different checkpoints: one is older than the run.
    """
    ratios = single_step.groupby(["op", "step", "estimator", "centroid"])["ratio"].mean().to_dict()
    rows = []
    for phase, step, op in single_step[["phase", "step", "op"]].drop_duplicates().itertuples(index=False):
        at = centroids[(centroids["step"] == step) & (centroids["op"] == op)]
        if at.empty:
            raise UserError(
                f"single_step.csv has {op} at step {step}, which centroids.csv lacks, so that one of them is older "
                "than the run: write it anew with `dvc repro ablations/dvc.yaml:single_step`"
            )
        by_kind: dict[str, Any] = {row["centroid"]: row for row in at.to_dict("records")}
        row: dict[str, Any] = {"phase": phase, "step": step, "op": op}
        row |= {f"rank90_{kind}": by_kind[kind]["rank90"] for kind in CENTROIDS}
        row |= {name: by_kind["logit"][name] for name in ("row_cosine", "top1_cosine", "top3_cosine")}
        for estimator in ("per-example", "window"):
            row |= {f"{estimator}_{kind}": ratios.get((op, step, estimator, kind)) for kind in CENTROIDS}
        rows.append(row)
    return pd.DataFrame(rows)
