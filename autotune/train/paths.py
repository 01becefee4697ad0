"""Dotted paths into a config: which there are, and how searched values are put into a base."""

from collections.abc import Mapping, MutableMapping
from copy import deepcopy
from typing import Any, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from autotune.errors import Problem, nearest
from autotune.train.base import fields, variants
from autotune.trial import Scalar

__all__ = ["merge", "paths"]

Keys = tuple[str, ...]


def paths(config: type[BaseModel], above: tuple[type[BaseModel], ...] = ()) -> tuple[str, ...]:
    """Every dotted path that some variant of `config` has, such as "optimizer.momentum"."""
    found: dict[str, None] = {}
    for key, field in fields(config).items():
        options = [option for option in variants(field.annotation).values() if option not in above]
        inner = [f"{key}.{path}" for option in options for path in paths(option, (*above, config))]
        found.update(dict.fromkeys(inner or [key]))
    return tuple(found)


def merge(
    config: type[BaseModel], base: Mapping[str, Any], values: Mapping[str, Scalar]
) -> tuple[dict[str, Any], list[Problem]]:
    """`base` with `values` in their places, and the paths that have no place there."""
    merged: dict[str, Any] = deepcopy(dict(base))
    mistakes = []
    # Names first, outer ones before inner ones: the other paths must fit the variants they choose.
    for path in sorted(values, key=lambda path: (not path.endswith(".name"), path.count("."))):
        keys = tuple(path.split("."))
        if config.model_config.get("extra") == "allow":
            message = put(merged, keys, values[path])
        else:
            message = place(config, merged, keys, values[path])
        if message:
            mistakes.append(Problem(message, keys))
    return merged, mistakes


def place(
    config: type[BaseModel],
    merged: MutableMapping[str, Any],
    keys: Keys,
    value: Scalar,
    above: Keys = (),
) -> str:
    """Put one value where the schema has room for it; "" or what is wrong.

    `merged` is what the user gave for `config`, found under the keys `above`.
    """
    path = ".".join((*above, *keys))
    field = fields(config).get(keys[0])
    options = variants(field.annotation) if field else {}
    if field is None or (len(keys) > 1 and not options and not above):
        return f"`{path}` is not a setting of a training{nearest(path, paths(config))}"
    if not options:
        fits = len(keys) == 1 or get_origin(field.annotation) is dict
        return (
            put(merged, keys, value)
            if fits
            else f"`{path}`: `{'.'.join(above)}.{keys[0]}` has no parts"
        )
    if len(keys) == 1:
        inner = [f"{path}.{name}" for option in options.values() for name in fields(option)]
        return f"`{path}` is a group of settings: search one of them{nearest(path, inner)}"
    part = begin(merged, keys[0], field)
    if keys[1:] == ("name",):
        switch(part, options, value)
        return ""
    variant = options.get(str(part.get("name", "")))
    if variant is None:  # a missing or unknown name, which validation reports
        return ""
    family = ".".join((*above, keys[0]))
    return misfit(options, variant, family, keys[1:]) or place(
        variant, part, keys[1:], value, (*above, keys[0])
    )


def misfit(
    options: Mapping[str, type[BaseModel]], variant: type[BaseModel], family: str, keys: Keys
) -> str:
    """Why `keys` do not fit the active `variant`, with the condition to add; "" if they do."""
    if keys[0] in fields(variant):
        return ""
    path = ".".join((family, *keys))
    owners = [name for name, option in options.items() if keys[0] in fields(option)]
    if not owners:
        valid = {f"{family}.{name}" for option in options.values() for name in paths(option)}
        return f"`{path}` is not a setting of a training{nearest(path, valid)}"
    chosen = next(name for name, option in options.items() if option is variant)
    when = f"{{{family}.name: [{', '.join(owners)}]}}"
    return f"`{path}` does not belong to {family} {chosen}: add `when: {when}`"


def begin(merged: MutableMapping[str, Any], key: str, field: FieldInfo) -> dict[str, Any]:
    """The mapping under `key`, begun from the name of the default where the base has none."""
    if merged.get(key) is None:
        name = getattr(field.default, "name", None)
        merged[key] = {"name": name} if name else {}
    part = merged[key]
    return part if isinstance(part, dict) else {}  # validation reports what is no mapping


def switch(part: dict[str, Any], options: Mapping[str, type[BaseModel]], value: Scalar) -> None:
    """Choose variant `value`, dropping what only the variant before it knows."""
    new = options.get(str(value))
    old = options.get(str(part.get("name")))
    before = [old] if old else list(options.values())
    if new is not None:
        known = {key for option in before for key in fields(option)}
        for key in known - set(fields(new)):
            part.pop(key, None)
    part["name"] = value


def put(merged: MutableMapping[str, Any], keys: Keys, value: Scalar) -> str:
    """Set a value that may lie deep in plain mappings."""
    for depth, key in enumerate(keys[:-1], start=1):
        below = merged.setdefault(key, {})
        if not isinstance(below, MutableMapping):
            return f"`{'.'.join(keys)}`: `{'.'.join(keys[:depth])}` is already a value"
        merged = below
    merged[keys[-1]] = value
    return ""
