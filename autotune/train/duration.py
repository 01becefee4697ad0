"""Durations as a user writes them: 90s, 5m, 1h30m, or a number of seconds."""

import math
import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

__all__ = ["Duration", "WrittenDuration", "as_duration", "in_seconds", "spoken"]

_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", re.ASCII)
_UNIT_SECONDS = (86_400, 3_600, 60, 1)
_SCHEMA = WithJsonSchema({"type": ["string", "number"], "examples": ["90s", "5m", "1h30m"]})


def in_seconds(value: object) -> object:
    """Text as seconds; what is no text stays as it is. Raises PydanticCustomError."""
    if not isinstance(value, str):
        return value
    match = _DURATION.fullmatch(value.replace(" ", ""))
    if not value.strip() or len(value) > 40 or match is None:
        raise _law("must be a duration such as 90s, 5m or 1h30m")
    counts = (int(count or 0) for count in match.groups())
    return float(sum(n * unit for n, unit in zip(counts, _UNIT_SECONDS, strict=True)))


def as_duration(seconds: float) -> str | float:
    """As a user writes it: 90 -> 1m30s. What is no whole number of seconds stays a number."""
    if not seconds.is_integer() or seconds > 1e9:
        return seconds
    text, left = "", int(seconds)
    for unit, letter in zip(_UNIT_SECONDS, "dhms", strict=True):
        count, left = divmod(left, unit)
        text += f"{count}{letter}" if count else ""
    return text


def spoken(seconds: float) -> str:
    """For a message: 1m30s, 0.5s."""
    text = as_duration(float(seconds))
    return text if isinstance(text, str) else f"{text:g}s"


def _checked(value: str | float) -> str | float:
    seconds = in_seconds(value)
    if not (isinstance(seconds, int | float) and 0 < seconds < math.inf):
        raise _law("must be > 0")
    return value


def _law(words: str) -> PydanticCustomError:
    return PydanticCustomError("duration", "{rule}", {"rule": words})


Duration = Annotated[
    float,
    Field(gt=0, allow_inf_nan=False),
    BeforeValidator(in_seconds),
    PlainSerializer(as_duration),
    _SCHEMA,
]
"""In seconds, whatever it was written as."""

WrittenDuration = Annotated[str | int | float, AfterValidator(_checked), _SCHEMA]
"""Kept as it was written."""
