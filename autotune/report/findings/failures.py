"""Failed trials by their reason, and what those of one reason have in common."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from autotune.search.encode import encode
from autotune.space import Categorical, Float, Int, Space
from autotune.study.history import History
from autotune.study.journal.journal import Run
from autotune.trial import Scalar, State

__all__ = ["Common", "FailureGroup", "of_study"]

_RARE = 0.05
"""Chance of what is told to be by luck, over all that was looked at."""


@dataclass(frozen=True, slots=True)
class Common:
    """What failures of one reason have in common, more than luck would give."""

    parameter: str
    sign: str
    """is, >= or <="""
    value: Scalar
    failed: int
    """Of the group's trials, those to which this applies."""
    of: int
    """The group's trials."""
    there: int
    """Of all ended trials, those to which this applies."""
    chance: float
    """Of at least so many by luck, times the number of such statements that were tried."""


@dataclass(frozen=True, slots=True)
class FailureGroup:
    reason: str
    trials: tuple[int, ...]
    messages: tuple[tuple[str, int], ...]
    """The first line of each, with how often it came, the most frequent first."""
    common: Common | None


def of_study(history: History) -> list[FailureGroup]:
    """The largest group first."""
    failed: dict[str, list[Run]] = {}
    for run in history.trials:
        if run.state == State.FAILED:
            failed.setdefault(str(run.outcome.get("reason") or "unknown"), []).append(run)
    ended = [run for run in history.trials if run.state.finished]
    groups = sorted(failed.items(), key=lambda one: -len(one[1]))
    return [_group(reason, runs, ended, history.spec.space) for reason, runs in groups]


def _group(reason: str, runs: Sequence[Run], ended: Sequence[Run], space: Space) -> FailureGroup:
    lines = Counter(str(run.outcome.get("message", "")).split("\n")[0][:200] for run in runs)
    return FailureGroup(
        reason,
        tuple(run.trial for run in runs),
        tuple((line, count) for line, count in lines.most_common() if line),
        _common(runs, ended, space),
    )


def _common(runs: Sequence[Run], ended: Sequence[Run], space: Space) -> Common | None:
    if len(runs) < 3 or len(runs) == len(ended):
        return None
    tried = [
        (name, sign, value)
        for name, parameter in space.parameters.items()
        for sign, value in _statements(name, parameter, runs)
    ]
    found = []
    for name, sign, value in tried:
        own = sum(_holds(run, name, sign, value) for run in runs)
        there = sum(_holds(run, name, sign, value) for run in ended)
        chance = _tail(own, len(runs), there, len(ended)) * len(tried)
        found.append(Common(name, sign, value, own, len(runs), there, min(chance, 1.0)))
    best = min(found, key=lambda one: (one.chance, one.there), default=None)
    return best if best and best.chance < _RARE else None


def _statements(
    name: str, parameter: Float | Int | Categorical, runs: Sequence[Run]
) -> Iterator[tuple[str, Scalar]]:
    """A choice, or a bound in a tenth of the range, that applies to some of the failed."""
    values = [run.params[name] for run in runs if name in run.params]
    if isinstance(parameter, Categorical):
        yield from (("is", choice) for choice in parameter.choices if choice in values)
        return
    units = {value: encode(parameter, float(value)) for value in values}  # type: ignore[arg-type]
    for tenth in range(1, 10):
        above = [value for value, unit in units.items() if unit >= tenth / 10]
        below = [value for value, unit in units.items() if unit <= tenth / 10]
        if above:
            yield ">=", min(above)  # type: ignore[type-var]
        if below:
            yield "<=", max(below)  # type: ignore[type-var]


def _holds(run: Run, name: str, sign: str, value: Scalar) -> bool:
    if name not in run.params:
        return False
    own = run.params[name]
    if sign == "is":
        return own == value
    return own >= value if sign == ">=" else own <= value  # type: ignore[operator]


def _tail(own: int, drawn: int, there: int, total: int) -> float:
    """The chance that `drawn` of `total` trials hold at least `own` of the `there` marked ones."""
    ways = sum(
        math.comb(there, k) * math.comb(total - there, drawn - k)
        for k in range(own, min(there, drawn) + 1)
    )
    return ways / math.comb(total, drawn)
