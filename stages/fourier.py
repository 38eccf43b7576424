"""Read the frequencies off one grokking run's centroids and logits."""

from sedlib.base.described.description import Origin
from sedlib.base.described.tables import write_table
from sedlib.base.machine.hardware import configure
from sedlib.grokking.readouts.frequencies import centroid_frequencies, restricted_losses
from sedlib.grokking.setup.fingerprint import require_current_run
from sedlib.grokking.study import Grokking
from sedlib.pipeline.centroids.centroid_file import open_centroids
from sedlib.pipeline.rows.networks import MeasuredNetworks
from sedlib.pipeline.stage import stage
from sedlib.pipeline.study import Study
from sedlib.pipeline.workspace import Workspace
from sedlib.terms.tables.fourier_tables import FOURIER, RESTRICTED_LOSS


def main(study: Study, run: Workspace) -> None:
    experiment = Grokking.of_run(run.run).experiment
    require_current_run(run.run, experiment)
    with (
        MeasuredNetworks.open(run.gradients, study, configure()) as networks,
        open_centroids(run.centroids, networks) as centroids,
    ):
        of = Origin(run.run, study.to_json())
        write_table(run.table("fourier"), centroid_frequencies(centroids, experiment.data.p), FOURIER, of)
        write_table(run.table("restricted_loss"), restricted_losses(networks, experiment.data), RESTRICTED_LOSS, of)


if __name__ == "__main__":
    stage(main, __doc__)
