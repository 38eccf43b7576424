"""What a summary must hold before a number is read off it: its hash says that it is whole, and no more."""

import json
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from sedlib.base.errors import quoted

Step = Annotated[int, Field(ge=0, le=10**15)]
StreamKey = Annotated[str, StringConstraints(pattern=r"^\S+ W=[1-9][0-9]{0,8}$")]


class _Numbers(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class _Stream(_Numbers):
    plateau: float | None
    peak: float
    final: float
    reason: str | None = None


class _Operation(_Numbers):
    grok_step: Step | None
    grok_step_by_threshold: dict[str, Step | None]
    streams: dict[StreamKey, _Stream] = Field(min_length=1)
    reason: str | None = None

    @model_validator(mode="after")
    def _reason_where_it_never_groks(self) -> "_Operation":
        if self.grok_step is None and self.reason is None:
            raise ValueError("no grok step, and no reason for it")
        return self


class _Summary(_Numbers):
    model_config = ConfigDict(extra="allow")  # a study's own labels of its runs

    last_step: Step
    grok_threshold: float
    ops: dict[str, _Operation] = Field(min_length=1)


def summary_in(content: bytes) -> dict[str, Any]:
    """The summary that is written in a file's ``content``.

    Raises
    ------
    ValueError
        It is no summary; the message says where it is not.

    Examples
    --------
    >>> summary_in(b"[]")
    Traceback (most recent call last):
    ...
    ValueError: of a summary's the whole: Input should be an object, got []
    """
    try:
        _Summary.model_validate_json(content)
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(str(part) for part in problem["loc"] if part != "[key]") or "the whole"
        raise ValueError(f"of a summary's {place}: {problem['msg']}, got {quoted(problem['input'])}") from error
    found: dict[str, Any] = json.loads(content)
    return found
