"""Types of single values that several sections share, each with its limit (limits.py)."""

from typing import Annotated

from pydantic import Field

from sedlib.pipeline.parameters.limits import COUNT, EXAMPLES, RATE, SCALE, STEPS, WINDOW

MAX_SEED = 2**32 - 1

Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Steps = Annotated[int, Field(gt=0, le=STEPS.most), STEPS]
Examples = Annotated[int, Field(gt=0, le=EXAMPLES.most), EXAMPLES]
Window = Annotated[int, Field(gt=0, le=WINDOW.most), WINDOW]
"""Of rows, or of a rank, which is at most that."""
Count = Annotated[int, Field(gt=0, le=COUNT.most), COUNT]
Rate = Annotated[float, Field(gt=0, le=RATE.most), RATE]
Scale = Annotated[float, Field(gt=0, le=SCALE.most), SCALE]
WeightDecay = Annotated[float, Field(ge=0, le=SCALE.most), SCALE]
