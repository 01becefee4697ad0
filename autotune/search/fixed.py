"""The configurations that a user wants tried first, before the sampler proposes."""

import random
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from autotune.errors import Problem, echo, nearest
from autotune.search.base import Sampler, derive
from autotune.search.encode import snap
from autotune.space import Parameter, Space, is_active
from autotune.trial import Scalar, Trial

__all__ = ["FixedFirst", "complete", "fixed_problems", "mistake"]

Fixed = Mapping[str, Any]
"""Parameter -> value, as written in a study file; parameters may be missing."""


class FixedFirst:
    """Proposes each of `fixed` once, in order, then what `sampler` proposes. Clones, which the
    scheduler creates, and trials that a person asked for are not counted."""

    def __init__(self, sampler: Sampler, fixed: Sequence[Fixed], space: Space, seed: int) -> None:
        self.sampler, self.fixed = sampler, fixed
        self.space, self.seed = space, seed

    def propose(self, trials: Sequence[Trial], number: int) -> dict[str, Scalar] | None:
        proposed = (t for t in trials if t.parent is None and not t.asked)
        index = len(list(islice(proposed, len(self.fixed))))
        if index < len(self.fixed):
            return complete(self.fixed[index], self.space, self.seed, index)
        return self.sampler.propose(trials, number)


def complete(given: Fixed, space: Space, seed: int, index: int) -> dict[str, Scalar]:
    """`given`, the fixed configuration `index`, completed: each missing active parameter takes its
    prior, or a draw.

    Draws instead of midpoints, so that several configurations without the same parameters differ in
    them, which teaches a model more.
    """
    rng = random.Random(derive(seed, index))
    values: dict[str, Scalar] = {}
    for name, parameter in space.parameters.items():
        drawn = parameter.decode(rng.random())
        if is_active(parameter, values):
            values[name] = snap(parameter, given.get(name, _prior(parameter, drawn)))
    return values


def _prior(parameter: Parameter, drawn: Scalar) -> Scalar:
    believed = parameter.prior is not None or parameter.confidence is not None
    return parameter.prior if believed else drawn


def fixed_problems(fixed: Sequence[Fixed], space: Space) -> list[Problem]:
    """Problems of `fixed`, with paths in the study file."""
    found = []
    for index, given in enumerate(fixed):
        at = ("search", "fixed", index)
        if not given:
            found.append(Problem("a fixed configuration must give at least one value", at))
        for name, value in given.items():
            if message := mistake(name, value, given, space):
                found.append(Problem(f"fixed: {message}", (*at, name)))
    return found


def mistake(name: str, value: object, given: Fixed, space: Space) -> str:
    """What is wrong with `value` among the values `given`; "" for nothing."""
    if name not in space.parameters:
        return f"{name} is not searched{nearest(name, space.parameters)}"
    parameter = space.parameters[name]
    if not parameter.contains(value):
        return f"{name} must be {parameter.describe()}, but got {echo(value)}"
    for condition in parameter.when:
        needs = f"`{condition.parent}: {_shown(condition.dump())}`"
        if condition.parent not in given:
            return f"{name} exists only with {needs}: give that as well"
        if not condition.holds(given[condition.parent]):
            came = f"here {condition.parent} is {echo(given[condition.parent])}"
            return f"{name} is inactive: it exists only with {needs}, and {came}"
    return ""


def _shown(operand: Scalar | list[Scalar]) -> str:
    if isinstance(operand, list):
        return f"[{', '.join(map(_shown, operand))}]"
    return operand if isinstance(operand, str) else echo(operand)
