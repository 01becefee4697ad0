"""A user's own script by its command line: how it is split, and what is put into it.

    python train.py --lr {optimizer.lr} --epochs {epochs}
    python train.py {overrides}                              optimizer.lr=0.01 model.depth=3
    python train.py --config {config}

The command is split as a shell would, before anything is put in: no value can become two arguments,
and no shell is run.
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from autotune.errors import InvalidInput, Problem, echo

__all__ = ["PLACES", "as_json", "filled", "leaves", "named", "split"]

PLACES = ("overrides", "config", "checkpoint_dir", "keep_dir", "folder", "seed", "epochs")
"""Placeholders besides parameters and the settings of `trial`."""
_PLACE = re.compile(r"\{\{([A-Za-z_][\w.]*)\}\}|\{([A-Za-z_][\w.]*)\}")
_OVERRIDES = re.compile(r"([^{}]*)\{overrides\}")


def split(command: str) -> list[str]:
    """The arguments. Raises InvalidInput for an unclosed quote, and for an empty command."""
    try:
        arguments = shlex.split(command)
    except ValueError as error:
        said = f"`command` cannot be split into arguments: {str(error).lower()}, in {echo(command)}"
        raise InvalidInput([Problem(said, ("command",))]) from None
    if not arguments:
        message = "`command` must name a program, such as python train.py {overrides}"
        raise InvalidInput([Problem(message, ("command",))])
    return arguments


def named(arguments: list[str]) -> list[str]:
    """The placeholders, in order."""
    found = (match[2] for argument in arguments for match in _PLACE.finditer(argument))
    return list(dict.fromkeys(name for name in found if name))


def filled(arguments: list[str], values: Mapping[str, Any], places: Mapping[str, str]) -> list[str]:
    """The arguments with `values`, by dotted path, and `places` inserted. {overrides} becomes one
    argument a value, each with its prefix: --{overrides} gives --optimizer.lr=0.01."""
    known = {**{name: _text(value) for name, value in values.items()}, **places}
    made: list[str] = []
    for argument in arguments:
        if match := _OVERRIDES.fullmatch(argument):
            made += [f"{match[1]}{name}={_text(value)}" for name, value in values.items()]
        else:
            made.append(_PLACE.sub(lambda m: f"{{{m[1]}}}" if m[1] else known[m[2]], argument))
    return made


def leaves(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted path and value of every leaf."""
    for key, value in values.items():
        path = f"{above}.{key}" if above else str(key)
        if isinstance(value, Mapping):
            yield from leaves(value, path)
        else:
            yield path, value


def as_json(values: Any) -> str:
    """JSON that YAML 1.1 reads the same way; it would read 1e-05 as text."""
    text = json.dumps(values, indent=2)
    return re.sub(r"(?<=[\s\[])(-?\d+)(e[-+]?\d+)(?=[\s,\]}]|$)", r"\1.0\2", text)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value)  # true, null, 0.01, [1, 2]
