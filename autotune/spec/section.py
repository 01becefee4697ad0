"""The base class of the sections of a study file."""

from typing import Any

from pydantic import model_serializer
from pydantic_core import PydanticCustomError

from autotune.train.base import Config

__all__ = ["Section", "rule"]


class Section(Config):
    """Omits unset keys when dumping, so that a dumped study stays as short as it was written."""

    @model_serializer(mode="wrap")
    def _without_nothing(self, serialize: Any) -> dict[str, Any]:
        return {key: value for key, value in serialize(self).items() if value is not None}


def rule(kind: str, words: str) -> PydanticCustomError:
    """An error for a validator to raise; `words` follow the key's name."""
    return PydanticCustomError(kind, "{rule}", {"rule": words})
