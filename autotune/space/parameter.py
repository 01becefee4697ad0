"""The three kinds of parameter and the condition; none can be constructed wrong."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar, Literal, TypeGuard

from autotune.errors import InvalidInput, Problem, echo, nearest

__all__ = [
    "COMPARISON",
    "Categorical",
    "Condition",
    "Confidence",
    "Float",
    "Int",
    "Parameter",
    "size",
]

Scalar = str | int | float | bool | None
Confidence = Literal["low", "medium", "high"]
Operator = Literal["in", "<", "<=", ">", ">=", "!="]

COMPARISON = re.compile(r"(<=|>=|!=|<|>)(.*)", re.DOTALL)
_CONFIDENCES = ("low", "medium", "high")
_LARGEST = 1e150  # so that no difference or product of two bounds overflows
_LARGEST_INT = 2**53  # so that every whole number is also a float
_MOST_STEPS = 1_000_000
_MOST_CHOICES = 1000
_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """`parent` must be active, and its value one of `operands` ("in") or in that relation to the
    only one."""

    parent: str
    operator: Operator
    operands: tuple[Scalar, ...]

    def __post_init__(self) -> None:
        rule = ""
        if self.operator != "in" and self.operator not in (*_COMPARE, "!="):
            rule = f"a condition is in, <, <=, >, >= or !=, but got {echo(self.operator)}"
        elif not self.operands or not all(map(_is_scalar, self.operands)):
            rule = f"a condition compares with plain values, but got {echo(self.operands)}"
        elif self.operator in _COMPARE and not all(map(_is_number, self.operands)):
            rule = f"{self.operator} compares with a number, but got {echo(self.operands)}"
        elif self.operator != "in" and len(self.operands) != 1:
            rule = f"{self.operator} compares with one value, but got {echo(self.operands)}"
        if rule:
            raise InvalidInput([Problem(rule, ("when", self.parent))])

    def holds(self, value: Scalar) -> bool:
        if self.operator == "in":
            return any(_same(value, operand) for operand in self.operands)
        (bound,) = self.operands
        if self.operator == "!=":
            return not _same(value, bound)
        return _is_number(value) and _COMPARE[self.operator](value, bound)  # type: ignore[arg-type]

    def can_hold(self, parent: "Parameter") -> bool:
        if isinstance(parent, Categorical):
            return any(self.holds(choice) for choice in parent.choices)
        if self.operator == "in":
            return any(parent.contains(operand) for operand in self.operands)
        return self.holds(parent.low) or self.holds(parent.high)

    def dump(self) -> Scalar | list[Scalar]:
        """As written behind `when:`."""
        if self.operator != "in":
            return f"{self.operator} {self.operands[0]!r}"
        only = self.operands[0]
        alone = len(self.operands) == 1 and not (isinstance(only, str) and COMPARISON.match(only))
        return only if alone else list(self.operands)


@dataclass(frozen=True, slots=True, kw_only=True)
class Float:
    """A number from `low` to `high`, both included; on a logarithmic scale with `log`."""

    kind: ClassVar = "float"

    low: float
    high: float
    log: bool = False
    step: float | None = None
    points: int | None = None
    """How many evenly spaced values a grid tries; other samplers ignore it."""
    prior: float | None = None
    confidence: Confidence | None = None
    when: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        problems = _type_problems(self, ("low", "high", "step", "prior"), _is_number, "a number")
        if self.points is not None and not (_is_whole(self.points) and 2 <= self.points <= 10_000):
            problems.append(_must("points", "be a whole number from 2 to 10000", self.points))
        if self.points is not None and self.step is not None:
            problems.append(
                Problem("`points` excludes `step`, which already makes a grid", ("points",))
            )
        _raise(problems or _range_problems(self))

    def contains(self, value: object) -> bool:
        if not _is_number(value) or not self.low <= value <= self.high:
            return False
        if self.step is None:
            return True
        steps = (value - self.low) / self.step
        return abs(steps - round(steps)) < 1e-6

    def decode(self, unit: float) -> float:
        """The value at coordinate `unit`, in [0, 1)."""
        if self.step is not None:
            return _stepped(self.low, self.step, _cell(unit, _steps(self) + 1))
        if self.log:
            return _clamp(math.exp(_between(math.log(self.low), math.log(self.high), unit)), self)
        return _clamp(_between(self.low, self.high, unit), self)

    def grid(self) -> Sequence[float] | None:
        """The grid's values, ascending; None if endless, without `step` and `points`."""
        if self.step is not None:
            return [_stepped(self.low, self.step, index) for index in range(_steps(self) + 1)]
        if self.points is None:
            return None
        scale = [index / (self.points - 1) for index in range(self.points)]
        if not self.log:
            return [_clamp(_between(self.low, self.high, unit), self) for unit in scale]
        low, high = math.log(self.low), math.log(self.high)
        inner = [_clamp(math.exp(_between(low, high, unit)), self) for unit in scale[1:-1]]
        return [float(self.low), *inner, float(self.high)]

    def describe(self) -> str:
        return f"a number from {self.low:g} to {self.high:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Int:
    """A whole number from `low` to `high`, both included."""

    kind: ClassVar = "int"

    low: int
    high: int
    log: bool = False
    step: int | None = None
    prior: int | None = None
    confidence: Confidence | None = None
    when: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        names = ("low", "high", "step", "prior")
        _raise(_type_problems(self, names, _is_whole, "a whole number") or _range_problems(self))

    def contains(self, value: object) -> bool:
        return (
            _is_whole(value)
            and self.low <= value <= self.high
            and (value - self.low) % (self.step or 1) == 0
        )

    def decode(self, unit: float) -> int:
        """The value at coordinate `unit`, in [0, 1)."""
        if self.log:
            low, high = math.log(self.low - 0.5), math.log(self.high + 0.5)
            return min(max(round(math.exp(_between(low, high, unit))), self.low), self.high)
        values = self.grid()
        return values[_cell(unit, len(values))]

    def grid(self) -> range:
        return range(self.low, self.high + 1, self.step or 1)

    def describe(self) -> str:
        return f"a whole number from {self.low} to {self.high}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Categorical:
    """One of `choices`: scalars of any kind, null included. No two may be equal in Python."""

    kind: ClassVar = "categorical"

    choices: tuple[Scalar, ...]
    prior: Scalar = None
    """Null means no prior, unless null is a choice and a `confidence` is given."""
    confidence: Confidence | None = None
    when: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= len(self.choices) <= _MOST_CHOICES:
            message = (
                f"`choices` must hold 1 to {_MOST_CHOICES} values, but got {len(self.choices)}"
            )
            raise InvalidInput([Problem(message, ("choices",))])
        problems = [
            Problem(f"a choice must be one value, but got {echo(choice)}", ("choices",))
            for choice in self.choices
            if not _is_scalar(choice)
        ]
        for index, choice in enumerate(self.choices):
            if choice in self.choices[:index]:
                twin = self.choices[self.choices.index(choice)]
                problems.append(Problem(_twins(choice, twin), ("choices",)))
        _raise(problems or _prior_problems(self))

    def contains(self, value: object) -> bool:
        return any(_same(value, choice) for choice in self.choices)

    def decode(self, unit: float) -> Scalar:
        """The choice at coordinate `unit`, in [0, 1)."""
        return self.choices[_cell(unit, len(self.choices))]

    def grid(self) -> Sequence[Scalar]:
        return self.choices

    def describe(self) -> str:
        return "one of " + ", ".join(echo(choice) for choice in self.choices[:12])


Parameter = Float | Int | Categorical


def _is_number(value: object) -> TypeGuard[float]:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and -_LARGEST <= value <= _LARGEST  # type: ignore[operator]


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST_INT


def _is_scalar(value: object) -> bool:
    finite = not isinstance(value, float) or math.isfinite(value)
    return finite and (value is None or isinstance(value, (str, int, float)))


def _same(a: object, b: object) -> bool:
    """Equality as a user expects it: 1 equals 1.0, but not true."""
    return isinstance(a, bool) == isinstance(b, bool) and a == b


def _twins(choice: Scalar, earlier: Scalar) -> str:
    if repr(choice) == repr(earlier):
        return f"{echo(choice)} is twice in `choices`"
    both = f"{echo(earlier)} and {echo(choice)}"
    return f"`choices` holds {both}, which samplers cannot tell apart: keep one of them"


def _between(low: float, high: float, unit: float) -> float:
    return low + unit * (high - low)


def _clamp(value: float, within: Float) -> float:
    return float(min(max(value, within.low), within.high))


def _cell(unit: float, cells: int) -> int:
    return min(int(unit * cells), cells - 1)


def _stepped(low: float, step: float, index: int) -> float:
    """Computed in decimals, so that 0.1 + 2 * 0.1 is 0.3."""
    return float(Decimal(repr(low)) + index * Decimal(repr(step)))


def _steps(parameter: Float | Int) -> int:
    return round((parameter.high - parameter.low) / (parameter.step or 1))


def size(parameter: Parameter) -> int:
    """The number of values on the grid; 0 if endless."""
    if isinstance(parameter, Float):
        return _steps(parameter) + 1 if parameter.step else parameter.points or 0
    return len(parameter.grid())


def _raise(problems: Sequence[Problem]) -> None:
    if problems:
        raise InvalidInput(problems)


def _must(field: str, rule: str, value: object) -> Problem:
    return Problem(f"`{field}` must {rule}, but got {echo(value)}", (field,))


def _type_problems(
    parameter: Float | Int, names: Sequence[str], valid: Callable[[object], bool], what: str
) -> list[Problem]:
    optional = ("step", "prior")
    values = {name: getattr(parameter, name) for name in names}
    problems = [
        _must(name, f"be {what}", value)
        for name, value in values.items()
        if not valid(value) and not (value is None and name in optional)
    ]
    if not isinstance(parameter.log, bool):
        problems.append(_must("log", "be true or false", parameter.log))
    return problems


def _range_problems(parameter: Float | Int) -> list[Problem]:
    low, high, step = parameter.low, parameter.high, parameter.step
    if low >= high:
        message = f"`low` must be below `high`, but got {low} and {high}"
        cure = "; to fix a value, set it under `trial:`" if low == high else ""
        return [Problem(message + cure, ("low",))]
    if parameter.log and low <= 0:
        return [_must("low", "be above 0 on a `log` scale", low)]
    if parameter.log and step is not None:
        return [Problem("`log` excludes `step`: a logarithmic scale has no even steps", ("step",))]
    if step is not None and not 0 < step <= (high - low) * (1 + 1e-9):
        return [_must("step", f"be above 0 and at most high - low = {high - low:g}", step)]
    if step is not None and not (high - low) / step <= _MOST_STEPS:
        return [_must("step", f"make at most {_MOST_STEPS:,} steps", step)]
    if step is not None and not parameter.contains(high):
        last = _stepped(low, step, int((high - low) / step))
        message = f"`high` must be `low` plus whole steps; the last one is {last:g}"
        return [Problem(f"{message}, but got {echo(high)}", ("high",))]
    return _prior_problems(parameter)


def _prior_problems(parameter: Parameter) -> list[Problem]:
    problems = []
    given = parameter.prior is not None or (
        isinstance(parameter, Categorical) and parameter.confidence and parameter.contains(None)
    )
    if given and not parameter.contains(parameter.prior):
        problems.append(_must("prior", f"be {parameter.describe()}", parameter.prior))
    if parameter.confidence not in (None, *_CONFIDENCES):
        hint = nearest(parameter.confidence, _CONFIDENCES)
        message = f"`confidence` must be low, medium or high, but got {echo(parameter.confidence)}"
        problems.append(Problem(message + hint, ("confidence",)))
    elif parameter.confidence and not given:
        problems.append(Problem("`confidence` needs a `prior` to be confident in", ("confidence",)))
    return problems
