"""Read the frequencies off one grokking run's centroids and logits."""

from sedlib.base.hardware import configure
from sedlib.grokking.readouts.frequencies import centroid_frequencies, restricted_losses
from sedlib.grokking.study import Grokking
from sedlib.pipeline.artifacts import require_same_run
from sedlib.pipeline.centroids.centroid_file import centroids_schema
from sedlib.pipeline.rows.networks import MeasuredNetworks
from sedlib.pipeline.stage import stage
from sedlib.pipeline.study import Study
from sedlib.pipeline.tables import write_table
from sedlib.pipeline.workspace import Workspace


def main(study: type[Study], run: Workspace) -> None:
    data = Grokking.of_run(run.run).experiment.data
    with (
        MeasuredNetworks.open(run.gradients, study, configure()) as networks,
        centroids_schema(study).open(run.centroids) as centroids,
    ):
        require_same_run(networks.file, centroids)
        write_table(run.table("fourier"), centroid_frequencies(centroids, data.p))
        write_table(run.table("restricted_loss"), restricted_losses(networks, data))


if __name__ == "__main__":
    stage(main, __doc__)
