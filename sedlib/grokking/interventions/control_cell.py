"""The control of a run's interventions without training anew: the run's own training, up to where a cell is over."""

import pandas as pd

from sedlib.grokking.interventions.cells import Cell
from sedlib.grokking.setup.experiment import Experiment


def control_table(cell: Cell, experiment: Experiment, training: pd.DataFrame) -> pd.DataFrame:
    """The table that training the control would give, from that of the run's training.

    The run takes the same steps; only its end, of which ``experiment`` is the cell's, may be later.
    """
    run = experiment.run
    accurate = training.groupby("step")["test_accuracy"].min() >= experiment.stopping.accuracy
    enough = accurate.index[accurate.cumsum() >= experiment.stopping.checkpoints]
    kept = training[training["step"] <= enough[0]] if len(enough) else training
    labels = {**cell.model_dump(), "seed": run.seed, "max_steps": run.max_steps}
    return kept.assign(**labels, passed=None, overlap=None)[[*labels, *training.columns, "passed", "overlap"]]
