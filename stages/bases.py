"""Compute the rolling SVD bases of one run's streams."""

from sedlib.base.hardware import configure
from sedlib.grokking.setup.params import Params
from sedlib.pipeline.rows.spectra import write_bases
from sedlib.pipeline.rows.streams import open_gradients
from sedlib.pipeline.workspace import Workspace, stage


def main(run: Workspace) -> None:
    params = Params.of_run(run.run)
    with open_gradients(run.gradients) as gradients:
        spectra = write_bases(run.bases, gradients, params.window, params.rank, params.alignment, configure())
    run.write_table("spectra", spectra)


if __name__ == "__main__":
    stage(main, __doc__)
