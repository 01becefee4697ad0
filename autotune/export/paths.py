"""Paths of a training config, made absolute: an export is used from any folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["absolute"]

_PATHS = ("path", "root", "folder", "runs", "weights")
_SECTIONS = ("data", "transfer", "distill")


def absolute(config: Mapping[str, Any]) -> dict[str, Any]:
    """`config` with the paths of its data, teachers and starting weights made absolute.

    What is not there is left as it is: it may name a file inside an installed package.
    """
    return {k: _absolute(v) if k in _SECTIONS else v for k, v in config.items()}


def _absolute(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    made = {}
    for key, inner in value.items():
        if key in _PATHS and isinstance(inner, str) and Path(inner).exists():
            made[key] = str(Path(inner).absolute())
        else:
            made[key] = inner if key == "args" else _absolute(inner)
    return made
