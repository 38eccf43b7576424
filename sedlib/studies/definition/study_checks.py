"""What is refused of a study.py before anything is trained: what it lacks, and what has the wrong kind or shape."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sedlib.base.errors import UserError, in_one_line, listed, located
from sedlib.pipeline.study import Examples, Study
from sedlib.studies.definition.own_study import OwnStudy

TRIED = 2
"""Examples that the losses and scores are tried on."""
FILE = "study.py"


def require_own_study(found: type[Study]) -> type[OwnStudy]:
    """Refuse a class ``Study`` that is no ``OwnStudy``, or names no tasks.

    Raises
    ------
    UserError
        The message says what to write.
    """
    if not issubclass(found, OwnStudy):
        raise UserError(
            f"{FILE}: expected `class Study(OwnStudy)`, got a class that does not inherit from it; write "
            "`from sedlib.studies.definition.own_study import OwnStudy`"
        )
    tasks = getattr(found, "tasks", None)
    if not isinstance(tasks, tuple | list) or not tasks or not all(isinstance(task, str) for task in tasks):
        raise UserError(f'{FILE}: Study.tasks: expected names, such as tasks = ("next",), got {tasks!r}; add them')
    if odd := [task for task in tasks if not task.isidentifier()]:
        raise UserError(f"{FILE}: Study.tasks: {odd[0]!r} names columns and files; use letters, digits and _")
    return found


def usable(study: Study) -> OwnStudy:
    """The study, once its network was built and everything was tried on two examples.

    Raises
    ------
    UserError
        Something is missing, is of another kind or shape, or differs from call to call.
    """
    require_own_study(type(study))
    assert isinstance(study, OwnStudy)
    network = _network(study)
    _pools(study)
    examples = study.examples("train").chosen(torch.arange(TRIED))
    network.eval()
    embedded = study.embedded(network, examples.inputs)
    _is("embedded(network, inputs)", embedded, f"a floating-point tensor [{TRIED}, ...]", embedded_fits(embedded))
    _logits(study, network, embedded, examples)
    shape = (len(study.tasks), TRIED)
    losses = study.example_losses(network, embedded, examples.targets)
    _is("example_losses", losses, f"finite losses {list(shape)}", _finite(losses, shape))
    for kind in study.centroids:
        scores = study.scores(network, embedded, examples.targets, kind)
        _is("scores", scores, f"finite scores {list(shape)}", _finite(scores, shape))
    _readouts(study, network, examples)
    with located(f"{FILE}: slots(network)"):
        study.slots(network)
    return study


def embedded_fits(embedded: Any) -> bool:
    """Whether it can be an embedded input of the tried examples."""
    return isinstance(embedded, Tensor) and embedded.is_floating_point() and embedded.shape[:1] == (TRIED,)


def _network(study: OwnStudy) -> nn.Module:
    network = study.network()
    _is("build()", network, "a torch.nn.Module", isinstance(network, nn.Module))
    state, again = network.state_dict(), study.network().state_dict()
    if odd := [name for name, value in state.items() if value.dtype != torch.float32]:
        remedy = "build the network in float32, and register other buffers with persistent=False"
        if all(name.endswith("num_batches_tracked") for name in odd):
            remedy = "that is batch norm's counter: take GroupNorm or LayerNorm here, or sedlib.measure for batch norm"
        raise UserError(
            f"{FILE}: build(): checkpoint files hold float32, got {state[odd[0]].dtype} in {listed(odd)}; {remedy}"
        )
    if odd := [name for name, value in state.items() if not torch.equal(value, again[name])]:
        raise UserError(
            f"{FILE}: build(): expected equal weights at every call, got others in {listed(odd)}; draw them by "
            "torch's own random functions, which are seeded by the run"
        )
    return network


def _data(study: OwnStudy) -> None:
    found = study.data()
    pair = isinstance(found, tuple) and len(found) == 2 and all(isinstance(each, Tensor) for each in found)
    _is("data()", list(found) if isinstance(found, tuple) else found, "(inputs, targets), two tensors", pair)
    expected = (len(study.tasks), len(found[0]))
    _is("data()", found[1], f"targets {[*expected]} or {[*expected, '...']}", found[1].shape[:2] == expected)


def _pools(study: OwnStudy) -> None:
    if type(study).examples is OwnStudy.examples:
        _data(study)
    for pool in ("all", "train", "test"):
        found = study.examples(pool)
        name = f"examples({pool!r})"
        _is(name, found, "Examples(inputs, targets)", isinstance(found, Examples))
        count, tasks = len(found.inputs), len(study.tasks)
        _is(name, found.inputs, f"at least {TRIED} examples", count >= TRIED)
        kind = (str(found.inputs.dtype).removeprefix("torch."), found.inputs.ndim - 1)
        declared = (study.inputs.dtype, len(study.inputs.axes))
        if kind != declared:
            raise UserError(
                f"{FILE}: {name}: expected inputs of {declared[0]} with {declared[1]} axes each, got {kind[0]} with "
                f"{kind[1]}; write `from sedlib.pipeline.input_format import InputFormat`, and in Study "
                f"inputs = InputFormat((one name for each axis,), {kind[0]!r}, 'what they are')"
            )
        fits = found.targets.ndim > 1 and found.targets.shape[:2] == (tasks, count)
        _is(name, found.targets, f"targets [{tasks}, {count}, ...], a row for each of the tasks", fits)
        again = study.examples(pool)
        if not (torch.equal(found.inputs, again.inputs) and torch.equal(found.targets, again.targets)):
            raise UserError(f"{FILE}: {name}: expected the same examples at every call, got others; seed what is drawn")


def _logits(study: OwnStudy, network: nn.Module, embedded: Tensor, examples: Examples) -> None:
    if type(study).example_losses is not OwnStudy.example_losses:
        return  # it has losses of its own, and may have no logits
    found: Sequence[Tensor] = list(study.logits(network, embedded))
    _is("logits(network, embedded)", found, f"{len(study.tasks)} tensors, one for each task", _as_many(found, study))
    for task, logits, targets in zip(study.tasks, found, examples.targets, strict=True):
        expected = f"logits {[*targets.shape, 'classes']} for task {task}"
        _is("logits(network, embedded)", logits, expected, logits.shape[:-1] == targets.shape)
        answers = study.examples("all").targets[study.tasks.index(task)]
        if answers.is_floating_point() or not 0 <= int(answers.min()) <= int(answers.max()) < logits.shape[-1]:
            raise UserError(
                f"{FILE}: targets of task {task}: expected whole numbers from 0 to {logits.shape[-1] - 1}, as there "
                f"are {logits.shape[-1]} logits, got {answers.dtype} from {answers.min()} to {answers.max()}"
            )


def _readouts(study: OwnStudy, network: nn.Module, examples: Examples) -> None:
    name = "readouts(network, examples)"
    try:
        with torch.no_grad():
            found = study.readouts(network, examples)
    except (ValueError, TypeError, RuntimeError) as error:
        if type(study).readouts is not OwnStudy.readouts:
            raise
        raise UserError(
            f"{FILE}: {name}: without it accuracies are read off logits, which fails here ({in_one_line(str(error))}); "
            "add one of your own, such as one that returns {}"
        ) from error
    _is(name, found, "a dict of numbers by name, one for each task", isinstance(found, dict))
    if "loss" in found:
        raise UserError(f"{FILE}: {name}: 'loss' is there without it, from example_losses; choose another name")
    for each, values in found.items():
        try:
            fits = all(math.isfinite(value) for value in values) and len(values) == len(study.tasks)
        except TypeError:
            fits = False
        _is(f"{name}[{each!r}]", values, f"{len(study.tasks)} finite numbers, one for each task", fits)


def _as_many(found: Sequence[Any], study: OwnStudy) -> bool:
    return len(found) == len(study.tasks) and all(isinstance(each, Tensor) for each in found)


def _finite(values: Any, shape: tuple[int, int]) -> bool:
    return isinstance(values, Tensor) and tuple(values.shape) == shape and bool(values.isfinite().all())


def _is(name: str, found: Any, expected: str, fits: bool) -> None:
    if not fits:
        raise UserError(f"{FILE}: {name}: expected {expected}, got {'; '.join(_what(found))}")


def _what(found: Any) -> Iterator[str]:
    if isinstance(found, Tensor):
        yield f"{found.dtype} {list(found.shape)}"
        if found.is_floating_point() and not found.isfinite().all():
            yield "not all finite"
    elif isinstance(found, list):
        yield f"{len(found)}: {', '.join(text for each in found[:3] for text in _what(each))}"
    elif isinstance(found, float):
        yield f"{found:g}"
    else:
        yield type(found).__name__
