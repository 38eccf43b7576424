"""Read the frequencies off one run's centroids and logits."""

from sedlib.grokking.checkpoints import RunCheckpoints
from sedlib.grokking.frequencies import centroid_frequencies, restricted_losses
from sedlib.grokking.readouts import CENTROIDS
from sedlib.grokking.workspace import Workspace, stage
from sedlib.hardware import configure
from sedlib.store import require_same_run


def main(run: Workspace) -> None:
    with (
        RunCheckpoints.open(run.checkpoints, configure()) as checkpoints,
        CENTROIDS.open(run.centroids) as centroids,
    ):
        require_same_run(checkpoints.file, centroids)
        run.write_table("fourier", centroid_frequencies(centroids, checkpoints.experiment.data.p))
        run.write_table("restricted_loss", restricted_losses(checkpoints, centroids["steps"][:].tolist()))


if __name__ == "__main__":
    stage(main, __doc__)
