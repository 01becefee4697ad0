"""pydantic's errors in our words: what must hold, what came, and the nearest valid word."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from autotune.errors import Problem, echo, meant, nearest
from autotune.train.base import fields, variants

__all__ = ["misplaced", "problems"]

LAWS = {
    "greater_than": "must be > {gt}",
    "greater_than_equal": "must be >= {ge}",
    "less_than": "must be < {lt}",
    "less_than_equal": "must be <= {le}",
    "finite_number": "must be a finite number",
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "dict_type": "must be a mapping",
    "list_type": "must be a list",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "literal_error": "must be one of {expected}",
    "enum": "must be one of {expected}",
}
REFERENCE = "must name a function as package.module:function"


def misplaced(message: str, *path: str) -> PydanticCustomError:
    """For a validator over several fields: the error, and the field the user should look at."""
    return PydanticCustomError("misplaced", "{message}", {"message": message, "path": path})


def problems(
    error: ValidationError, config: type[BaseModel], data: Mapping[str, Any]
) -> list[Problem]:
    """One Problem for each error of validating `data`; paths are the user's keys."""
    found = error.errors(include_url=False)
    return [problem(each, config, data) for each in found if not _follows(each, found)]


def _follows(error: ErrorDetails, errors: list[ErrorDetails]) -> bool:
    """Whether a tuple is too short only because one of its items is wrong."""
    place = error["loc"]
    inner = [each for each in errors if each is not error and each["loc"][: len(place)] == place]
    return error["type"] == "too_short" and bool(inner)


def problem(details: ErrorDetails, config: type[BaseModel], data: Mapping[str, Any]) -> Problem:
    kind, context = details["type"], details.get("ctx", {})
    # pydantic makes floats of the bounds of a float: 0.0 is said as 0.
    context = {key: f"{v:.15g}" if isinstance(v, float) else v for key, v in context.items()}
    path, valid = locate(details["loc"], config, data)
    name = f"`{'.'.join(map(str, path))}`" if path else "the config"
    came = f", got {echo(details['input'])}"
    if kind == "misplaced":
        return Problem(str(context["message"]), tuple(context["path"]))
    if kind == "missing":
        return Problem(f"{name} is required", path)
    if kind == "extra_forbidden":
        return Problem(f"unknown key {name}{nearest(path[-1], valid)}", path)
    if kind == "union_tag_not_found":
        names = ", ".join(valid)
        return Problem(f"`{'.'.join(map(str, path))}.name` is required (valid: {names})", path)
    if kind == "union_tag_invalid":
        tag = f"`{'.'.join(map(str, path))}.name`"
        given = details["input"]["name"]
        return Problem(f"{tag} {echo(given)} is unknown{nearest(given, valid)}", (*path, "name"))
    if kind == "string_pattern_mismatch":
        return Problem(f"{name} {REFERENCE}{came}", path)
    rule = LAWS.get(kind)
    said = rule.format(**context) if rule else details["msg"][0].lower() + details["msg"][1:]
    hint = meant(details["input"], re.findall("'([^']+)'", context.get("expected", "")))
    return Problem(f"{name} {said}{came}{hint}", path)


def locate(
    location: tuple[int | str, ...], config: type[BaseModel], data: Any
) -> tuple[tuple[int | str, ...], list[str]]:
    """The keys without pydantic's union tags, and the words that would have been valid there."""
    path: list[int | str] = []
    valid = list(fields(config))
    options: Mapping[str, type[BaseModel]] = {}
    for step in location:
        if step in options and isinstance(data, Mapping) and data.get("name") == step:
            valid, options, config = list(fields(options[str(step)])), {}, options[str(step)]
            continue
        if isinstance(step, int) and not isinstance(data, list | tuple):
            continue  # one that stands for a list of one
        path.append(step)
        if isinstance(step, int):
            data = data[step] if step < len(data) else None
            continue
        field = fields(config).get(str(step))
        if field is None:
            continue
        options = variants(field.annotation)
        data = data.get(step) if isinstance(data, Mapping) else None
        if "" in options:
            config, options, valid = options[""], {}, list(fields(options[""]))
        elif options:
            valid = list(options)
    return tuple(path), valid
