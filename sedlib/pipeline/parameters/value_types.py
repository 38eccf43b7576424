"""Types of single values that several sections share."""

from typing import Annotated

from pydantic import Field

MAX_SEED = 2**32 - 1

Positive = Annotated[int, Field(gt=0)]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
