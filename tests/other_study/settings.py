"""What determines a run of the second study."""

from pydantic import Field

from sedlib.pipeline.parameters.sections import PARAMS_FILE, ParamsError, Section, StageParams
from sedlib.pipeline.parameters.value_types import Fraction, Seed, Steps


class RunParams(Section):
    """One run, trained by SGD with momentum."""

    seed: Seed = Field(description="Seed of the inputs, the initial weights and the batches.")
    lr: float = Field(0.1, gt=0, description="Learning rate.")
    momentum: Fraction = Field(0.9, description="Of SGD.")
    checkpoint_every: Steps = Field(5, description="Steps between checkpoints.")
    max_steps: Steps = Field(40, description="Steps of training.")


class Runs(StageParams):
    """What the study reads of params.yaml."""

    runs: dict[str, RunParams]

    def chosen(self, name: str) -> RunParams:
        """The run of this name."""
        if name not in self.runs:
            raise ParamsError(f"{PARAMS_FILE}: no run {name!r} under 'runs'; there are: {', '.join(self.runs)}")
        return self.runs[name]
