"""What dvc.yaml writes of params.yaml into commands and paths, beside names of runs: the cells of interventions."""

from sedlib.grokking.setup.intervention_params import InterventionParams
from sedlib.pipeline.parameters.sections import StageParams


class CommandParams(StageParams):
    """Those keys of params.yaml, which the code stage reads before any other stage runs."""

    interventions: InterventionParams = InterventionParams()
