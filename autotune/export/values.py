"""The winner's values alone, in several formats."""

import json
import shlex
from collections.abc import Mapping
from typing import Any, Literal

from autotune.spec import dump_config
from autotune.trial import Scalar

__all__ = ["Spelling", "spelled"]

Spelling = Literal["yaml", "json", "env", "args", "optuna"]


def spelled(params: Mapping[str, Scalar], spelling: Spelling) -> str:
    """`params` (dotted path -> value) as text.

    yaml and json are nested; optuna is one JSON object by dotted path, for `study.enqueue_trial`
    and `FixedTrial`.
    """
    match spelling:
        case "yaml":
            return dump_config(_nested(params)).rstrip()
        case "json":
            return json.dumps(_nested(params), indent=2)
        case "env":
            return "\n".join(f"{_variable(k)}={shlex.quote(_text(v))}" for k, v in params.items())
        case "args":
            return " ".join(f"--{k} {shlex.quote(_text(v))}" for k, v in params.items())
        case "optuna":
            return json.dumps(dict(params))


def _nested(params: Mapping[str, Scalar]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for path, value in params.items():
        *above, last = path.split(".")
        place = made
        for key in above:
            place = place.setdefault(key, {})
        place[last] = value
    return made


def _variable(path: str) -> str:
    """optimizer.lr is OPTIMIZER__LR, as pydantic-settings and Dynaconf read it."""
    letters = (c if c.isalnum() and c.isascii() else "_" for c in path.replace(".", "__"))
    return "".join(letters).upper()


def _text(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else f"{value}"
