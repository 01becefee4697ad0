"""What is searched in a benchmark: a space, and the learning curve of each of its points."""

import functools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from autotune.space import Space
from autotune.trial import Scalar

__all__ = ["CACHE", "Anytime", "Believed", "Curve", "Reference", "Task"]

CACHE = Path.home() / ".cache" / "autotune-bench"
"""What is computed once and kept from run to run."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One training: losses (lower is better) and the cumulated cost in seconds, by epoch."""

    losses: Sequence[float]
    seconds: Sequence[float]


@dataclass(frozen=True, slots=True)
class Reference:
    """What scores of a task are measured against."""

    best: float
    """The lowest loss known."""
    median: float
    """The median of the best losses of random full trainings: regret 100 %."""
    seconds: float
    """The median cost of a random full training."""


class Task(Protocol):
    name: str
    space: Space
    epochs: int

    @property
    def reference(self) -> Reference: ...

    def curve(self, params: Mapping[str, Scalar]) -> Curve: ...


class Believed:
    """`task`, by a user who believes in the values at `place` of `draws` random whole trainings,
    the best first."""

    def __init__(self, task: Task, place: int, draws: int) -> None:
        values = _ranked(task, draws)[place]
        raw = task.space.dump()
        priors = {name: {**raw[name], "prior": value} for name, value in values.items()}
        self.space = Space.parse(priors)
        self.name, self.epochs, self.reference = task.name, task.epochs, task.reference
        self.curve = task.curve


@functools.cache
def _ranked(task: Task, draws: int) -> list[dict[str, Scalar]]:
    """Random whole trainings of it, the best first."""
    rng = random.Random(1)
    drawn = [task.space.sample(rng) for _ in range(draws)]
    return sorted(drawn, key=lambda params: min(task.curve(params).losses))


@dataclass(slots=True)
class Anytime:
    """The best loss seen in a search: `losses[i]` from `seconds[i]` on."""

    seconds: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    trials: int = 0
    elsewhere: float = 0.0
    """Seconds of the processor that other processes spent on proposing."""

    def see(self, now: float, loss: float) -> None:
        if not self.losses or loss < self.losses[-1]:
            self.seconds.append(now)
            self.losses.append(loss)
