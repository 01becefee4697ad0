"""A study given as Python values, as the tree that a file would give."""

import math
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from autotune.errors import Problem, echo
from autotune.spec.reader import Node
from autotune.trial import Scalar

__all__ = ["over", "tree"]

_WHOLE = ("objective", "space", "search", "schedule", "constraints", "pick", "tracking")
"""Sections that replace those of the file; other sections set single keys."""


def tree(value: Any, problems: list[Problem], path: tuple[str, ...] = ()) -> Node:
    """Converts to plain values; anything else is a problem and becomes null."""
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                _complain(f"a key must be text, but got {echo(key)}", path, problems)
        return Node({str(k): tree(v, problems, (*path, str(k))) for k, v in value.items()}, "")
    if isinstance(value, list | tuple):
        return Node([tree(one, problems, (*path, str(n))) for n, one in enumerate(value)], "")
    if isinstance(value, os.PathLike):
        return Node(os.fspath(value), "")
    if not isinstance(value, Scalar) and hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        value = value.item()  # a number of NumPy or torch
    if isinstance(value, float) and not math.isfinite(value):
        _complain(f"a number must be finite, but got {value}", path, problems)
        return Node(0.0, "", readable=False)
    if not isinstance(value, Scalar):
        kind = type(value).__name__
        rule = "must be text, a number, True, False, None, or a list or dict of them"
        _complain(f"{rule}, but got {kind}", path, problems)
        return Node(None, "", readable=False)
    return Node(value, "")


def _complain(message: str, path: tuple[str, ...], problems: list[Problem]) -> None:
    problems.append(Problem(f"`{'.'.join(path)}`: {message}" if path else message, path))


def over(root: Node, given: Node) -> Node:
    """`root` with the sections of `given` set key by key, as `--set` does."""
    if not isinstance(root.value, dict) or not isinstance(given.value, dict):
        return root
    values = dict(root.value)
    for key, node in given.value.items():
        before = values.get(key)
        both = isinstance(node.value, dict) and before and isinstance(before.value, dict)
        values[key] = over(before, node) if both and key not in _WHOLE and before else node
    return replace(root, value=values)
