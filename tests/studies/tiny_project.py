"""A project as `sedlib init` writes it, with parameters that take seconds, and one run."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from sedlib.studies.definition.own_study import OwnStudy
from sedlib.studies.definition.run_settings import RunParams, StudyParams, TrainingParams
from sedlib.studies.definition.small_decoder import SmallDecoder
from sedlib.studies.project_folder import TEMPLATES

SMALLER = {
    "window: 10": "window: 4",
    "measured_checkpoints: 12": "measured_checkpoints: 3",
    "size: 128": "size: 16",
    "{count: 64": "{count: 6",
    "random_directions: {count: 20": "random_directions: {count: 3",
    "steps: 300, checkpoint_every: 10, batch_size: 32": "steps: 24, checkpoint_every: 3, batch_size: 8, evaluated: 16",
    "width: 32": "width: 8",
    "  characters-2: {seed: 2}\n  characters-3: {seed: 3}\n": "",
}


def tiny_params(changes: Mapping[str, str] = {}) -> str:
    """The text of params.yaml, after further replacements."""
    text = (TEMPLATES / "params.yaml").read_text()
    for old, new in (SMALLER | dict(changes)).items():
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def ran(output: str) -> list[str]:
    """Stages that DVC ran, but for the one that is always run."""
    return [stage for stage in re.findall(r"Running stage '(.*?)'", output) if stage != "code"]


class Sums(OwnStudy):
    """Sum and largest of three digits, read by a decoder of two layers."""

    tasks = ("total", "largest")

    def build(self) -> torch.nn.Module:
        return SmallDecoder(4, (10, 4), width=8, heads=2, layers=1, context=3, silent=2)

    def data(self) -> tuple[torch.Tensor, torch.Tensor]:
        inputs = torch.cartesian_prod(*[torch.arange(4)] * 3)
        return inputs, torch.stack([inputs.sum(1), inputs.amax(1)])[..., None]


def sums(kind: type[OwnStudy] = Sums, **training: Any) -> OwnStudy:
    """A run of such a study, of twelve steps."""
    usual = {"steps": 12, "checkpoint_every": 3, "batch_size": 8}
    params = StudyParams(training=TrainingParams(**usual | training), runs={"sums-1": RunParams(seed=1)})
    return kind("sums-1", params.chosen("sums-1", Path("params.yaml")))
