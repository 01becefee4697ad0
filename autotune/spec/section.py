"""What every section of a study file is."""

from typing import Any

from pydantic import model_serializer
from pydantic_core import PydanticCustomError

from autotune.train.base import Config

__all__ = ["Section", "rule"]


class Section(Config):
    """What is not given is not written either, so that a dumped study stays as short as it came."""

    @model_serializer(mode="wrap")
    def _without_nothing(self, serialize: Any) -> dict[str, Any]:
        return {key: value for key, value in serialize(self).items() if value is not None}


def rule(kind: str, words: str) -> PydanticCustomError:
    """What must hold, for a validator to raise: `words` follow the name of the key."""
    return PydanticCustomError(kind, "{rule}", {"rule": words})
