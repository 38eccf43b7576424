"""Checks that the files an ablation starts from belong together, and are of the parameters that it changes."""

import h5py
import pandas as pd

from sedlib.base.errors import UserError
from sedlib.pipeline.parameters.ablation_params import AnalysisParams
from sedlib.pipeline.parameters.basis_params import BasisParams
from sedlib.pipeline.parameters.row_params import GradientBatchParams
from sedlib.pipeline.rows.bases_file import BASES
from sedlib.pipeline.rows.networks import MeasuredNetworks
from sedlib.pipeline.rows.streams import GRADIENTS, RowSettings


def require_of_one_another(
    params: AnalysisParams, networks: MeasuredNetworks, bases: h5py.File, coupling: pd.DataFrame
) -> None:
    """Refuse files that were made with other parameters: their rows would be those of another value.

    Raises
    ------
    UserError
        There is one; the message names it.
    """
    batch = GRADIENTS.settings(networks.file, RowSettings).model_dump(include=set(GradientBatchParams.model_fields))
    if batch != (wanted := params.gradient_batch.model_dump()):
        raise GRADIENTS.error(networks.file.filename, f"rows on the batch {batch}, not params.yaml's {wanted}")
    basis = BASES.settings(bases, BasisParams).model_dump()
    if basis != (wanted := params.model_dump(include=set(BasisParams.model_fields))):
        raise BASES.error(bases.filename, f"bases of {basis}, not params.yaml's {wanted}")
    steps = [networks.steps[index] for index in networks.measured]
    expected = {"step": steps, "op": sorted(networks.study.tasks), "window": sorted({1, params.window})}
    for column, values in expected.items():
        if (found := sorted(coupling[column].unique().tolist())) != values:
            raise UserError(
                f"coupling table: expected rows of {column} {values}, found {found}: it is of other gradients or "
                "parameters; run `dvc repro` of its coupling stage"
            )
