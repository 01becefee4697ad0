"""A search space: parameters that may depend on one another."""

import math
import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autotune.errors import InvalidInput, Problem, echo, nearest
from autotune.space.parameter import Condition, Float, Parameter, Scalar, size
from autotune.space.read import dump_parameter, parse_parameter

__all__ = ["Space", "is_active"]

_MOST_PARAMETERS = 500
_MOST_PARENTS = 100_000
_NAME = re.compile(r"[A-Za-z_][\w-]*(\.[\w-]+)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Space:
    """Parameters by dotted path: parents before the parameters that depend on them, otherwise as
    given. Problems of a space have paths that begin with the parameter's name."""

    parameters: Mapping[str, Parameter]

    def __post_init__(self) -> None:
        _raise(_relation_problems(self.parameters, self.parameters))
        object.__setattr__(self, "parameters", _parents_first(self.parameters))

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> "Space":
        """Reads a space as a study file has it; reports all mistakes at once."""
        parameters, problems = {}, []
        for name, fields_of_one in raw.items():
            try:
                parameters[name] = parse_parameter(fields_of_one)
            except InvalidInput as error:
                problems += [_under(name, problem) for problem in error.problems]
        problems += _relation_problems(parameters, raw)
        _raise(problems)
        return cls(parameters)

    def dump(self) -> dict[str, dict[str, Any]]:
        """Plain values that parse() reads back to an equal space."""
        return {name: dump_parameter(parameter) for name, parameter in self.parameters.items()}

    def active(self, values: Mapping[str, Scalar]) -> tuple[str, ...]:
        """The parameters that exist under `values`; values of inactive parameters are ignored."""
        known: dict[str, Scalar] = {}
        names = []
        for name, parameter in self.parameters.items():
            if is_active(parameter, known):
                names.append(name)
                if name in values:
                    known[name] = values[name]
        return tuple(names)

    def decode(self, unit: Sequence[float]) -> dict[str, Scalar]:
        """The active values at a point of the unit cube, a coordinate a parameter in order."""
        values: dict[str, Scalar] = {}
        for coordinate, (name, parameter) in zip(unit, self.parameters.items(), strict=True):
            if is_active(parameter, values):
                values[name] = parameter.decode(coordinate)
        return values

    def sample(self, rng: random.Random) -> dict[str, Scalar]:
        """Active values drawn uniformly (on the logarithm with `log`), without priors."""
        return self.decode([rng.random() for _ in self.parameters])

    def contains(self, values: Mapping[str, Scalar]) -> list[Problem]:
        """The problems of `values` as one point of this space; empty if it is one."""
        active = self.active(values)
        problems = [
            Problem(f"{name} has no value", (name,)) for name in active if name not in values
        ]
        for name, value in values.items():
            if name not in self.parameters:
                message = f"{name} is not searched{nearest(name, self.parameters)}"
                problems.append(Problem(message, (name,)))
            elif name not in active:
                problems.append(Problem(f"{name} is inactive under these values", (name,)))
            elif not self.parameters[name].contains(value):
                expected = self.parameters[name].describe()
                problems.append(_under(name, Problem(f"must be {expected}, but got {echo(value)}")))
        return problems

    def count(self) -> int | None:
        """The number of combinations(). None for endless spaces, and if counting would take too
        long (more than 100,000 combinations of parents)."""
        parents = {condition.parent for p in self.parameters.values() for condition in p.when}
        if self._endless():
            return None
        total = 0
        for index, values in enumerate(
            self._enumerate([n for n in self.parameters if n in parents])
        ):
            if index == _MOST_PARENTS:
                return None
            leaves = [p for n, p in self.parameters.items() if n not in parents]
            total += math.prod(size(p) for p in leaves if is_active(p, values))
        return total

    def combinations(self) -> Iterator[dict[str, Scalar]]:
        """Every distinct set of active values once, the first parameter changing slowest.

        Raises InvalidInput for a float without `step` and `points`.
        """
        cure = "a grid over a float needs `points:` (how many values) or `step:`"
        _raise([_under(name, Problem(cure)) for name in self._endless()])
        return self._enumerate(list(self.parameters))

    def _endless(self) -> list[str]:
        return [n for n, p in self.parameters.items() if isinstance(p, Float) and size(p) == 0]

    def _enumerate(
        self, names: Sequence[str], values: Mapping[str, Scalar] | None = None
    ) -> Iterator[dict[str, Scalar]]:
        """Whether `names` hold every parent before its children."""
        values = values or {}
        if not names:
            yield dict(values)
            return
        name, rest = names[0], names[1:]
        if not is_active(self.parameters[name], values):
            yield from self._enumerate(rest, values)
            return
        for value in self.parameters[name].grid() or ():
            yield from self._enumerate(rest, {**values, name: value})


def is_active(parameter: Parameter, values: Mapping[str, Scalar]) -> bool:
    """Whether `values` hold active parameters only."""
    return all(c.parent in values and c.holds(values[c.parent]) for c in parameter.when)


def _parents_first(parameters: Mapping[str, Parameter]) -> dict[str, Parameter]:
    """A stable topological order; parameters in a cycle are left out."""
    ordered: dict[str, Parameter] = {}
    waiting = dict(parameters)
    while ready := next(
        (n for n, p in waiting.items() if all(c.parent in ordered for c in p.when)), None
    ):
        ordered[ready] = waiting.pop(ready)
    return ordered


def _raise(problems: Sequence[Problem]) -> None:
    if problems:
        raise InvalidInput(problems)


def _under(name: str, problem: Problem) -> Problem:
    return Problem(f"{name}: {problem.message}", (name, *problem.path))


def _relation_problems(parameters: Mapping[str, Parameter], names: Iterable[str]) -> list[Problem]:
    """Problems between parameters; `names` are all that exist, unreadable ones included."""
    names = list(names)
    if len(names) > _MOST_PARAMETERS:
        return [
            Problem(f"a space holds at most {_MOST_PARAMETERS} parameters, but got {len(names)}")
        ]
    problems = [p for name in names for p in _name_problems(name, names)]
    for name, parameter in parameters.items():
        for condition in parameter.when:
            problem = _condition_problem(condition, parameters, names)
            if problem:
                problems.append(_under(name, problem))
    return problems or _cycle_problems(parameters)


def _name_problems(name: object, names: Sequence[str]) -> list[Problem]:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        message = f"a parameter is a dotted path such as optimizer.lr, but got {echo(name)}"
        return [Problem(message, (str(name),))]
    parts = name.split(".")
    above = [".".join(parts[:end]) for end in range(1, len(parts))]
    return [
        Problem(f"{name}: {prefix} is searched too, and {name} lies inside it", (name,))
        for prefix in above
        if prefix in names
    ]


def _condition_problem(
    condition: Condition, parameters: Mapping[str, Parameter], names: Sequence[str]
) -> Problem | None:
    parent, path = condition.parent, ("when", condition.parent)
    if parent not in names:
        message = f"`when` names {parent}, which is not searched{nearest(parent, map(str, names))}"
        return Problem(message, path)
    if parent not in parameters:
        return None  # unreadable; reported elsewhere
    for operand in condition.operands if condition.operator == "in" else ():
        if not parameters[parent].contains(operand):
            message = f"{parent} is never {echo(operand)}: it is {parameters[parent].describe()}"
            return Problem(message, path)
    if condition.operator != "in" and not condition.can_hold(parameters[parent]):
        message = f"{parent} is never {condition.dump()}: it is {parameters[parent].describe()}"
        return Problem(message, path)
    return None


def _cycle_problems(parameters: Mapping[str, Parameter]) -> list[Problem]:
    ordered = _parents_first(parameters)
    stuck = {n: p for n, p in parameters.items() if n not in ordered}
    # Each has a parent that is stuck too, so following parents from any of them reaches a cycle.
    if not stuck:
        return []
    walk = [next(iter(stuck))]
    while walk[-1] not in walk[:-1]:
        parents = [c.parent for c in stuck[walk[-1]].when if c.parent in stuck]
        if not parents:
            return []  # waits for an unreadable parameter, which is reported elsewhere
        walk.append(parents[0])
    cycle = walk[walk.index(walk[-1]) :]
    message = "conditions go in a circle: " + " -> ".join(cycle)
    return [Problem(message, (cycle[0], "when"))]
