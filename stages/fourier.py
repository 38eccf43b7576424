"""Read the frequencies off one run's centroids and logits."""

from sedlib.grokking.frequencies import centroid_frequencies, restricted_losses
from sedlib.grokking.networks import MeasuredNetworks
from sedlib.grokking.readouts import CENTROIDS
from sedlib.grokking.workspace import Workspace, stage
from sedlib.hardware import configure
from sedlib.store import require_same_run


def main(run: Workspace) -> None:
    with MeasuredNetworks.open(run.gradients, configure()) as networks, CENTROIDS.open(run.centroids) as centroids:
        require_same_run(networks.file, centroids)
        run.write_table("fourier", centroid_frequencies(centroids, networks.experiment.data.p))
        run.write_table("restricted_loss", restricted_losses(networks))


if __name__ == "__main__":
    stage(main, __doc__)
