"""Training of a run of a study, step by step, with a checkpoint every so many steps.

Shapes: moments are ``[params]``, the slots.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sedlib.base.errors import UserError
from sedlib.base.randomness import generator
from sedlib.pipeline.resume.kept_states import State, copy_into
from sedlib.pipeline.rows.checkpoint_file import MOMENTS
from sedlib.studies.definition.own_study import OwnStudy
from sedlib.studies.recorded_runs.pool_readouts import Pools, Row


@dataclass(frozen=True)
class TrainedCheckpoint:
    """One checkpoint, and what is read of it. The network is live."""

    step: int
    model: nn.Module
    moments: Mapping[str, Float[Tensor, " params"]]
    """AdamW's, of the slots; none under another optimizer."""
    rows: list[Row]


class StudyTraining:
    """A run of a study, trained from step 0; it is ``Resumable``.

    A step is the gradient of the summed losses on a batch, clipped, and the study's optimizer.

    Parameters
    ----------
    frozen
        Whether the slots stay where they are while everything else learns.
    """

    def __init__(self, study: OwnStudy, device: torch.device, frozen: bool = False) -> None:
        self._study, self._settings = study, study.settings.training
        self._network = study.network().to(device)
        self._slots = study.slots(self._network)
        self._optimizer = study.optimizer(self._network)
        self._pools = Pools.of(study, device)
        self._training = study.examples("train")
        self._device, self._step = device, -1
        parameters = dict(self._network.named_parameters())
        self._kept = self._slots.flatten(parameters).detach().clone() if frozen else None

    @property
    def is_over(self) -> bool:
        """Whether no step is left."""
        return self._step >= self._settings.steps

    def advance(self) -> TrainedCheckpoint | None:
        """Take the next step; at first, none.

        Raises
        ------
        UserError
            The loss or the gradient is not finite.
        """
        self._step += 1
        if self._step:
            self._take_step()
        return None if self._step % self._settings.checkpoint_every else self._checkpoint()

    def _take_step(self) -> None:
        batch = self._training.chosen(self._study.batch_numbers(self._step - 1)).to(self._device)
        seed = generator(self._study.settings.seed, f"step/{self._step}").initial_seed()
        self._network.train()
        self._optimizer.zero_grad()
        with torch.random.fork_rng([self._device] if self._device.type == "cuda" else []):
            torch.manual_seed(seed)  # of dropout: of this step alone, so that nothing has to be kept
            loss = self._study.losses(self._network, batch).sum()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self._network.parameters(), self._settings.clip_norm)
        if not torch.isfinite(loss.detach() + norm):
            raise UserError(
                f"step {self._step:,} of the training of {self._study.run}: expected a finite loss and gradient, got "
                f"{loss.item():g} and norm {norm.item():g}; choose a smaller training.lr than {self._settings.lr}"
            )
        self._optimizer.step()
        if self._kept is not None:
            self._put_back(self._kept)

    def _put_back(self, kept: Float[Tensor, " params"]) -> None:
        parameters = dict(self._network.named_parameters())
        with torch.no_grad():
            for name, value in self._slots.placed(kept, parameters).items():
                parameters[name].copy_(value)

    def _checkpoint(self) -> TrainedCheckpoint:
        return TrainedCheckpoint(
            self._step, self._network, self._moments(), self._pools.rows(self._network, self._step)
        )

    def _moments(self) -> dict[str, Float[Tensor, " params"]]:
        """Zero before the first step, as AdamW starts."""
        if self._study.ladder() is None:
            return {}
        named = self._network.named_parameters()
        states = {name: (value, self._optimizer.state.get(value, {})) for name, value in named}
        return {
            moment: self._slots.flatten(
                {name: state.get(moment, torch.zeros_like(value)) for name, (value, state) in states.items()}
            ).detach()
            for moment in MOMENTS
        }

    def state_dict(self) -> State:
        """The step, the network, and what the optimizer keeps of each parameter."""
        optimizer = self._optimizer.state_dict()
        return {
            "step": self._step,
            "network": dict(self._network.state_dict()),
            "optimizer": [{"of": number, **state} for number, state in optimizer["state"].items()],
        }

    def load_state_dict(self, state: State) -> None:
        """Go on from a state."""
        self._step = state["step"]
        self._load_network(state["network"])
        of_parameters = {
            each["of"]: {name: value for name, value in each.items() if name != "of"} for each in state["optimizer"]
        }
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": of_parameters, "param_groups": groups})

    def record(self, checkpoint: TrainedCheckpoint) -> State:
        """The checkpoint with its network."""
        network = dict(checkpoint.model.state_dict())
        return {"step": checkpoint.step, "network": network, "moments": checkpoint.moments, "rows": checkpoint.rows}

    def replay(self, record: State) -> TrainedCheckpoint:
        """The checkpoint of a record, in the network that is trained."""
        self._load_network(record["network"])
        return TrainedCheckpoint(record["step"], self._network, record["moments"], record["rows"])

    def _load_network(self, values: Mapping[str, Any]) -> None:
        for name, own in self._network.state_dict().items():
            copy_into(own, values[name])
