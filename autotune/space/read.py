"""Reads and writes a parameter as a study file has it."""

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from typing import Any

from autotune.errors import InvalidInput, Problem, echo, nearest
from autotune.space.parameter import (
    COMPARISON,
    Categorical,
    Condition,
    Float,
    Int,
    Parameter,
    Scalar,
)

__all__ = ["KINDS", "dump_parameter", "parse_conditions", "parse_parameter"]

KINDS: Mapping[str, type[Parameter]] = {kind.kind: kind for kind in (Float, Int, Categorical)}
_NUMBERS = ("low", "high", "step", "prior")


def parse_parameter(raw: object) -> Parameter:
    """Raises InvalidInput with every mistake; paths begin at the parameter's own keys."""
    if not isinstance(raw, Mapping):
        example = "{type: int, low: 1, high: 4}"
        raise InvalidInput([Problem(f"must be a mapping such as {example}, but got {echo(raw)}")])
    kind = _kind(raw)
    known = {field.name: field for field in fields(kind)}
    problems = _key_problems(kind, known, raw)
    given = {key: _narrowed(kind, key, raw[key]) for key in known if key in raw}
    if "choices" in given and not isinstance(given["choices"], tuple):
        problems.append(
            Problem(f"`choices` must be a list, but got {echo(raw['choices'])}", ("choices",))
        )
        del given["choices"]
    when: list[Condition] = []
    for parent, test in _conditions(given.pop("when", {}), problems).items():
        try:
            when.append(_condition(parent, test))
        except InvalidInput as error:
            problems += error.problems
    if all(name in given for name, field in known.items() if field.default is MISSING):
        try:
            parameter = kind(**given, when=tuple(when))
        except InvalidInput as error:
            problems += error.problems
    if problems:
        raise InvalidInput(problems)
    return parameter


def parse_conditions(raw: object) -> tuple[Condition, ...]:
    """The conditions behind `when:`. Raises InvalidInput with every mistake."""
    problems: list[Problem] = []
    found = [_condition(parent, test) for parent, test in _conditions(raw, problems).items()]
    if problems:
        raise InvalidInput(problems)
    return tuple(found)


def dump_parameter(parameter: Parameter) -> dict[str, Any]:
    """Plain values, `type` first; defaults are omitted."""
    raw: dict[str, Any] = {"type": parameter.kind}
    for field in fields(parameter):
        value = getattr(parameter, field.name)
        if field.name == "when":
            value = {condition.parent: condition.dump() for condition in parameter.when}
        elif isinstance(value, tuple):
            value = list(value)
        null_prior = field.name == "prior" and parameter.confidence is not None
        if null_prior or value not in (field.default, {}):
            raw[field.name] = value
    return raw


def _kind(raw: Mapping[Any, Any]) -> type[Parameter]:
    name = raw.get("type")
    if isinstance(name, str) and name in KINDS:
        return KINDS[name]
    got = f", but got {echo(name)}{nearest(name, KINDS)}" if "type" in raw else ""
    raise InvalidInput([Problem(f"`type` must be float, int or categorical{got}", ("type",))])


def _key_problems(
    kind: type[Parameter], known: Mapping[str, Field[Any]], raw: Mapping[Any, Any]
) -> list[Problem]:
    unknown = [
        Problem(f"type {kind.kind} has no {echo(key)}{nearest(key, known)}", (key,))
        for key in raw
        if key not in known and key != "type"
    ]
    missing = [
        Problem(f"type {kind.kind} needs `{name}`")
        for name, field in known.items()
        if field.default is MISSING and name not in raw
    ]
    return unknown + missing


def _narrowed(kind: type[Parameter], key: str, value: Any) -> Any:
    """Reads 1 as 1.0 and 1e3 as 1000 where that kind of number is expected; lists become tuples."""
    if isinstance(value, list):
        return tuple(value)
    if key in _NUMBERS and not isinstance(value, bool):
        if kind is Int and isinstance(value, float) and value.is_integer():
            return int(value)
        if kind is Float and isinstance(value, int) and abs(value) < 2**1000:
            return float(value)
    return value


def _conditions(raw: Any, problems: list[Problem]) -> Mapping[Any, Any]:
    if isinstance(raw, Mapping) and all(isinstance(key, str) for key in raw):
        return raw
    example = "{optimizer.name: [momentum, nesterov]}"
    problems.append(
        Problem(f"`when` must be a mapping such as {example}, but got {echo(raw)}", ("when",))
    )
    return {}


def _condition(parent: str, test: Any) -> Condition:
    if isinstance(test, str) and (match := COMPARISON.fullmatch(test)):
        return Condition(parent, match[1], (_bound(parent, test, match[2]),))  # type: ignore[arg-type]
    operands = tuple(test) if isinstance(test, list) else (test,)
    if operands and all(isinstance(operand, Scalar) for operand in operands):
        return Condition(parent, "in", operands)
    message = "`when` takes a value, a list of values or a comparison such as '>= 3'"
    raise InvalidInput([Problem(f"{message}, but got {echo(test)}", ("when", parent))])


def _bound(parent: str, test: str, text: str) -> int | float:
    for number in (int, float):
        try:
            bound = number(text)
        except ValueError:
            continue
        if abs(bound) < 2**1000:
            return bound
    message = f"a comparison needs a number, such as '>= 3', but got {echo(test)}"
    raise InvalidInput([Problem(message, ("when", parent))])
