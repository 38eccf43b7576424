"""How far a result may be from its oracle's, relative to the largest entry, by name and with the reason.

Each is a number of units: the ε of the dtype in which a routine computes. Each is some ten times what was found on the
builds that were tested, and far less than what a wrong formula gives: a fault of a thousandth in one entry is found
(tests/test_selftest.py).
"""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Tolerance:
    """What rounding may do to a result."""

    name: str
    units: float
    reason: str
    computed_in: torch.dtype | None = None
    """Where a routine computes, or gives its result, in one dtype whatever the precision of its arguments is."""

    def allowed(self, dtype: torch.dtype) -> float:
        """The largest error, as a share of the largest entry, where arguments are of ``dtype``."""
        return self.units * torch.finfo(self.computed_in or dtype).eps


EXACT = Tolerance("exact", 0.0, "values are moved, chosen or counted, not computed")
ROUNDED = Tolerance("rounded", 8.0, "a few operations for each entry")
NETWORK = Tolerance("network", 60.0, "some ten products of up to 256 terms, one after another")
PRODUCTS = Tolerance("products", 200.0, "sums of 20,000 products round to about √20,000 units")
SINGULAR = Tolerance("singular", 300.0, "sums in float64, and rounding of the arguments over gaps of singular values")
DIFFERENCE = Tolerance("difference", 40.0, "rounding of the network over the step, a twentieth of θ")
COMMUTATOR = Tolerance("commutator", 200.0, "rounding of a gradient over its change by a step, a tenth of it")
HISTORY = Tolerance(
    "history", 400.0, "sums of 20,000 products, over the share of the third singular value in the first", torch.float32
)
SUMMED = Tolerance("summed", 60.0, "as network, and summed in float32", torch.float32)
TRAINING = Tolerance("training", 500.0, "AdamW divides a gradient by its size, also where it is mostly rounding")
SINGLE = Tolerance("single", 20.0, "computed in float64, given in float32", torch.float32)
LANCZOS = Tolerance("lanczos", 40.0, "iterated to a tolerance of 1e-6, given in float32", torch.float32)
FLOAT64 = Tolerance("float64", 20_000.0, "sums of 20,000 products in float64, and differences of them", torch.float64)
