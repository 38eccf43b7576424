"""Read the frequencies off one run's centroids and logits."""

from sedlib.base.hardware import configure
from sedlib.base.store import require_same_run
from sedlib.grokking.readouts.frequencies import centroid_frequencies, restricted_losses
from sedlib.pipeline.centroids.centroid_file import CENTROIDS
from sedlib.pipeline.rows.networks import MeasuredNetworks
from sedlib.pipeline.workspace import Workspace, stage


def main(run: Workspace) -> None:
    with MeasuredNetworks.open(run.gradients, configure()) as networks, CENTROIDS.open(run.centroids) as centroids:
        require_same_run(networks.file, centroids)
        run.write_table("fourier", centroid_frequencies(centroids, networks.experiment.data.p))
        run.write_table("restricted_loss", restricted_losses(networks))


if __name__ == "__main__":
    stage(main, __doc__)
