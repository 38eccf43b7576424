"""A study.py that lacks something, or gives the wrong kind or shape, is refused by name, with what to do."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sedlib.base.errors import UserError
from sedlib.pipeline.input_format import InputFormat
from sedlib.pipeline.study import Examples
from sedlib.studies.definition.own_study import OwnStudy
from sedlib.studies.definition.study_checks import require_own_study, usable
from sedlib.studies.recorded_runs.pool_readouts import Pools
from sedlib.terms.tables.training_table import TRAINING
from tests.studies.tiny_project import Sums, sums

pytestmark = pytest.mark.usefixtures("production")
ANEW = torch.Generator()


def altered(**members: Any) -> type[OwnStudy]:
    return type("Study", (Sums,), members)


class Empty(OwnStudy):
    """Nothing but a task."""

    tasks = ("one",)


def with_data(change: Any) -> Any:
    return lambda self: change(*Sums.data(self))


def half(self: Any) -> nn.Module:
    return Sums.build(self).half()


def drawn_anew(self: Any) -> nn.Module:
    network = Sums.build(self)
    dict(network.named_parameters())["token.weight"].data = torch.rand(4, 8, generator=ANEW)
    return network


def logits(change: Any) -> Any:
    return lambda self, network, embedded: change(Sums.logits(self, network, embedded))


@pytest.mark.parametrize(
    ("study", "message"),
    [
        (Empty, r"study.py: Study has no method build\(self\); add one"),
        (altered(data=OwnStudy.data), r"study.py: Study has no method data\(self\); add one that returns \(inputs"),
        (altered(build=lambda self: 3), r"build\(\): expected a torch.nn.Module, got int"),
        (altered(build=half), r"build\(\): checkpoint files hold float32, got torch.float16 in .*build the network in"),
        (altered(build=drawn_anew), "expected equal weights at every call, got others in 'token.weight'"),
        (altered(build=lambda self: nn.Linear(2, 2)), "Linear has no method embed; add it, or give Study a embedded"),
        (altered(data=with_data(lambda x, y: (x[:1], y[:, :1]))), r"examples\('all'\): expected at least 2 examples"),
        (
            altered(data=with_data(lambda x, y: (x.float(), y))),
            "expected inputs of int64 with 1 axes each, got fl",
        ),
        (
            altered(data=with_data(lambda x, y: (x, y[0]))),
            r"targets \[2, 64\] or .*got torch.int64 \[64, 1\]",
        ),
        (
            altered(data=with_data(lambda x, y: (x, y + 7))),
            r"targets of task total: .* 0 to 9, .*got torch.int64 fr",
        ),
        (
            altered(logits=logits(lambda found: found[:1])),
            r"expected 2 tensors, one for each task, got 1: torch",
        ),
        (
            altered(logits=logits(lambda found: [each[:, 0] for each in found])),
            r"expected logits \[2, 1, 'classes'\] for task total, got torch.float32 \[2, 10\]",
        ),
        (
            altered(scores=lambda self, network, embedded, targets, centroid: torch.zeros(2)),
            r"scores: expected finite scores \[2, 2\], got torch.float32 \[2\]",
        ),
        (
            altered(example_losses=lambda self, network, embedded, targets: torch.full((2, 2), torch.nan)),
            r"example_losses: expected finite losses \[2, 2\], got torch.float32 \[2, 2\]; not all finite",
        ),
        (
            altered(readouts=lambda self, network, examples: [0.5, 0.5]),
            r"readouts\(network, examples\): expected a dict of numbers by name, one for each task, got 2: 0.5, 0.5",
        ),
        (
            altered(readouts=lambda self, network, examples: {"error": [0.5]}),
            r"readouts\(network, examples\)\['error'\]: expected 2 finite numbers, one for each task, got 1: 0.5",
        ),
        (
            altered(readouts=lambda self, network, examples: {"error": 0.5}),
            r"\['error'\]: expected 2 finite numbers, one for each task, got 0.5",
        ),
        (
            altered(readouts=lambda self, network, examples: {"loss": [0.5, 0.5]}),
            r"'loss' is there without it, from example_losses; choose another name",
        ),
        (
            altered(build=lambda self: nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))),
            r"got torch.int64 in '1.num_batches_tracked'; that is batch norm's counter: take GroupNorm or LayerNorm",
        ),
        (
            altered(embedded=lambda self, network, inputs: inputs),
            r"embedded\(network, inputs\): expected a float",
        ),
    ],
)
def test_what_is_wrong_is_named(study: type[OwnStudy], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        usable(sums(study))
    assert len(str(caught.value).splitlines()) <= 10


def test_examples_that_differ_from_call_to_call_are_refused() -> None:
    def examples(self: OwnStudy, pool: str) -> Examples:
        return Examples(torch.randint(4, (8, 3)), torch.zeros(2, 8, 1, dtype=torch.int64))

    with pytest.raises(UserError, match=r"expected the same examples at every call, got others; seed what is drawn"):
        usable(sums(altered(examples=examples)))


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (
            type("Study", (), {}),
            r"expected `class Study\(OwnStudy\)`, got a class that does not inherit from it",
        ),
        (type("Study", (OwnStudy,), {}), r'Study.tasks: expected names, such as tasks = \("next",\), got'),
        (type("Study", (OwnStudy,), {"tasks": "next"}), "Study.tasks: expected names, such as .*, got 'next'"),
        (type("Study", (OwnStudy,), {"tasks": ("a b",)}), "Study.tasks: 'a b' names columns and files; use letters"),
    ],
)
def test_a_class_that_is_no_study_is_refused(found: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        require_own_study(found)


class Line(OwnStudy):
    """A regression, with losses and scores of its own."""

    tasks = ("double",)
    inputs = InputFormat(("features",), "float32", "vectors")

    def build(self) -> nn.Module:
        return nn.TransformerEncoder(nn.TransformerEncoderLayer(2, 2, 4, 0.0, batch_first=True), 1)

    def data(self) -> tuple[Tensor, Tensor]:
        inputs = torch.randn(8, 2, generator=torch.Generator().manual_seed(0))
        return inputs, 2 * inputs[None, :, 0]

    def embedded(self, network: nn.Module, inputs: Tensor) -> Tensor:
        return inputs[:, None]

    def example_losses(self, network: nn.Module, embedded: Tensor, targets: Tensor) -> Tensor:
        return (network(embedded)[:, 0, 0] - targets).square()

    def scores(self, network: nn.Module, embedded: Tensor, targets: Tensor, centroid: str) -> Tensor:
        return network(embedded)[None, :, 0, 0]

    def readouts(self, network: nn.Module, examples: Examples) -> dict[str, list[float]]:
        return {}


def test_a_regression_is_a_study_too() -> None:
    assert usable(sums(Line))
    assert usable(sums())


def test_a_regression_without_readouts_of_its_own_is_refused_before_training() -> None:
    alone = type("Study", (Line,), {"readouts": OwnStudy.readouts})
    with pytest.raises(UserError, match=r"readouts.*: without it accuracies are read off logits, which fails here"):
        usable(sums(alone))


def test_readouts_of_any_name_fit_the_table() -> None:
    """The table wants the columns that it knows first; a study's own come behind them."""
    own = altered(readouts=lambda self, network, examples: {"error": [1.0, 2.0], "accuracy": [0.5, 1.0]})
    study = sums(own)
    rows = Pools.of(study, torch.device("cpu")).rows(study.network(), 0)
    assert isinstance(TRAINING.columns_of(list(rows[0])), list), list(rows[0])
