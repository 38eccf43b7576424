"""Functions recorded as CUDA graphs and replayed: launched as one, which short kernels need.

On the CPU a function stays as it is.
"""

from collections.abc import Callable

from sedlib.base.machine.loaded_torch import torch

EAGER_CALLS = 3
"""Calls before a function is recorded: kernels are chosen and workspaces allocated in the first."""


def replayed(function: Callable[[], object], device: torch.device) -> Callable[[], object]:
    """``function``, on CUDA recorded as a graph and replayed.

    It must read and write the same tensors at every call, and never wait for the device.
    """
    return _Replayed(function) if device.type == "cuda" else function


class _Replayed:
    def __init__(self, function: Callable[[], object]) -> None:
        self._function = function
        self._eager_calls = 0
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self) -> None:
        if self._eager_calls < EAGER_CALLS:
            self._eager_calls += 1
            side = torch.cuda.Stream()  # where PyTorch wants what precedes a recording
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                self._function()
            torch.cuda.current_stream().wait_stream(side)
            return
        if self._graph is None:
            self._record()
        self._graph.replay()  # type: ignore[union-attr]  # recorded

    def _record(self) -> None:
        graph, before = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
        try:
            with torch.cuda.graph(graph):  # runs nothing
                self._function()
        except RuntimeError:
            torch.cuda.set_stream(before)  # a recording that fails may leave its own
            raise
        self._graph = graph


def replayed_at(
    function: Callable[[torch.Tensor], torch.Tensor], like: torch.Tensor
) -> Callable[[torch.Tensor], torch.Tensor]:
    """``function`` of a tensor such as ``like``, on CUDA recorded as a graph and replayed at other values.

    A function that waits for the device, which nothing can record, is called each time. What the function checks, it
    checks while it is still called: later values must be checked in the result. A replayed result has no derivative.

    Raises
    ------
    ValueError
        Called, on CUDA: the tensor is of another shape or dtype.
    """
    return ReplayedAt(function, like) if like.device.type == "cuda" else function


class ReplayedAt:
    """What ``replayed_at`` gives on CUDA."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor], like: torch.Tensor) -> None:
        at = like.detach().clone()
        found: list[torch.Tensor] = []  # and no attribute: graphs hold memory, and a cycle would hold them

        def call() -> None:
            found[:] = [function(at)]

        self._at, self._found, self._call = at, found, call
        self._run: Callable[[], object] = _Replayed(call)

    @property
    def is_called(self) -> bool:
        """Whether the function could not be recorded."""
        return self._run is self._call

    def __call__(self, at: torch.Tensor) -> torch.Tensor:
        """The function's result."""
        if (at.shape, at.dtype) != (self._at.shape, self._at.dtype):
            raise ValueError(
                f"at: expected {self._at.dtype} of shape {tuple(self._at.shape)}, as when the function was given, got "
                f"{at.dtype} of shape {tuple(at.shape)}"
            )
        self._at.copy_(at)
        try:
            self._run()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError:  # of the recording; any other error comes again
            self._run = self._call
            self._run()
        return self._found[0].clone()
