"""The ablation path: from the default configuration to the winner, one parameter at a time.

At each step the parameter is changed that the model expects to gain most (C. Fawcett and H. Hoos,
"Analysing differences between algorithm configurations through ablation", 2016). The path is by
the sampler's own model; nobody trained the configurations on it but the ends.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from autotune.report.findings.baseline import default_params, priors_centre
from autotune.report.findings.surrogate import Surrogate
from autotune.space import Space
from autotune.study.history import History
from autotune.study.winner import Best
from autotune.trial import Scalar

__all__ = ["AblationFacts", "Change", "of_study"]


@dataclass(frozen=True, slots=True)
class Change:
    parameters: tuple[str, ...]
    """The one changed, and those that begin or cease to exist with it."""
    before: Mapping[str, Scalar]
    after: Mapping[str, Scalar]
    """Of `parameters`, where they exist."""
    predicted: float
    """The objective after the change, by the model."""
    gain: float
    """Over the step before; below 0: worse."""


@dataclass(frozen=True, slots=True)
class AblationFacts:
    start: Mapping[str, Scalar]
    believed: bool
    """Some prior says where to begin; else it is the middle of every range."""
    predicted: float
    """Of `start`, by the model."""
    changes: tuple[Change, ...]
    """The first one in front; the last one arrives at the winner."""
    winner: int


def of_study(history: History, best: Best, model: Surrogate) -> AblationFacts | None:
    """None where the winner is the default configuration."""
    space, goal = history.spec.space, history.spec.objective.goal
    target = dict(best.params)
    start = default_params(space, target)
    _, believed = priors_centre(space, start)
    here, (value,) = start, model.predict([start])
    first, changes = value, list[Change]()
    while left := [name for name in target if here.get(name) != target[name]]:
        moves = [_moved(space, here, target, name) for name in left]
        moves = [move for move in moves if move != here] or [target]
        told = model.predict(moves)
        place = min(range(len(told)), key=lambda i: (goal.loss(told[i]), i))
        there, after = moves[place], told[place]
        gain = goal.loss(value) - goal.loss(after)
        differ = tuple(n for n in space.parameters if here.get(n) != there.get(n))
        before = {n: here[n] for n in differ if n in here}
        changes.append(
            Change(differ, before, {n: there[n] for n in differ if n in there}, after, gain)
        )
        here, value = there, after
    return AblationFacts(start, believed, first, tuple(changes), best.trial) if changes else None


def _moved(
    space: Space, here: Mapping[str, Scalar], target: Mapping[str, Scalar], name: str
) -> dict[str, Scalar]:
    """`here` with `name` as in the target; what exists only now comes from the target as well."""
    values = {**target, **here, name: target[name]}
    return {n: values[n] for n in space.active(values) if n in values}
