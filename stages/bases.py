"""Compute the rolling SVD bases of one run's streams."""

from sedlib.base.described.description import Origin
from sedlib.base.described.tables import write_table
from sedlib.base.machine.hardware import configure
from sedlib.pipeline.parameters.basis_params import BasisParams
from sedlib.pipeline.rows.spectra import write_bases
from sedlib.pipeline.rows.streams import open_gradients
from sedlib.pipeline.stage import stage
from sedlib.pipeline.study import Study
from sedlib.pipeline.workspace import Workspace
from sedlib.terms.tables.spectra_table import SPECTRA


def main(study: Study, run: Workspace) -> None:
    params = BasisParams.load()
    with open_gradients(run.gradients, study) as gradients:
        spectra = write_bases(run.bases, gradients, study, params, configure())
        write_table(run.table("spectra"), spectra, SPECTRA, Origin(run.run, study.to_json()))


if __name__ == "__main__":
    stage(main, __doc__)
