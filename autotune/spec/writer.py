"""Writes YAML that reads back to the same values; short mappings stand on one line."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from autotune.spec.reader import WORDS
from autotune.trial import Scalar

__all__ = ["write"]

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./+-]*", re.ASCII)


def write(values: Mapping[str, Any], blocks: Iterable[str] = ()) -> str:
    """One line a key; mappings under `blocks` get one line for each of their keys."""
    lines = []
    for key, value in values.items():
        if key in blocks and isinstance(value, Mapping) and value:
            lines.append(f"{_scalar(key)}:")
            lines += [f"  {_scalar(inner)}: {_flow(below)}" for inner, below in value.items()]
        else:
            lines.append(f"{_scalar(key)}: {_flow(value)}")
    return "\n".join(lines) + "\n"


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return (
            "{" + ", ".join(f"{_scalar(key)}: {_flow(item)}" for key, item in value.items()) + "}"
        )
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _scalar(value)


def _scalar(value: Scalar) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if _PLAIN.fullmatch(value) and value not in WORDS:
        return str(value)
    return '"' + "".join(map(_escaped, value)) + '"'


def _escaped(char: str) -> str:
    if char in '"\\':
        return "\\" + char
    return char if char.isprintable() else f"\\U{ord(char):08x}"
