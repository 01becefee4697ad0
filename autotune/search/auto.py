"""The rules of `auto`: which sampler proposes, and how often mfgp does."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from autotune.search.base import Sampler, SamplerSettings
from autotune.search.grid import Grid
from autotune.search.mfgp import Mfgp
from autotune.space import Space
from autotune.trial import Goal

__all__ = ["Auto", "SamplerSwitch", "proposal_seconds"]


class Auto(SamplerSettings):
    """Let autotune choose: `choose` states the rule, and the study journals what it chose."""

    name: Literal["auto"] = "auto"
    several: ClassVar[bool] = True
    constrained: ClassVar[bool] = True

    uses_priors: ClassVar[bool] = True

    def build(self, space: Space, goal: Goal, seed: int) -> Sampler:
        return self.choose(space, trials=None).build(space, goal, seed)

    def build_several(self, space: Space, goals: Sequence[Goal], seed: int) -> Sampler:
        return self.choose(space, trials=None, several=True).build_several(space, goals, seed)

    def choose(
        self,
        space: Space,
        trials: int | None,
        several: bool = False,
        constrained: bool = False,
    ) -> Grid | Mfgp:
        """The sampler for a budget of `trials` (None: unknown).

        1. grid, if the budget covers every combination of a finite space and there is one
        objective, without constraints and without a warm start: nothing is left out.

        2. mfgp otherwise: it learns from stopped and from full trainings and from earlier studies,
        supports conditions, choices, priors, several objectives and constraints, and a proposal
        after 10,000 trials costs an eighth of a second. For very short trials evolution takes turns
        with it, as `SamplerSwitch` says.
        """
        combinations = space.count()
        finite = combinations is not None and trials is not None and combinations <= trials
        plain = not (several or constrained or self.warm_start)
        return Grid() if finite and plain else Mfgp()


@dataclass(frozen=True, slots=True)
class SamplerSwitch:
    """mfgp proposes every `every`-th trial, and evolution the others.

    The rule. At trials 50, 100, 200, 400, ... the worker-seconds since the last decision, divided
    by the trials since then and by the workers, estimate how often a trial starts. `every` becomes
    the smallest of 1, 3, 9, 27, ... with which proposals of mfgp, by `proposal_seconds`, take at
    most 10 % of proposing and working together. It never falls.

    Costs are read from the journal and decisions are written to it, so the same journal gives the
    same turns. Powers of 3 also keep repeated runs identical, although trials never take exactly as
    long.
    """

    number: int = 0
    """The trial before which this was decided."""
    spent: float = 0.0
    """Worker-seconds in the journal at that time."""
    every: int = 1
    why: str = ""
    """One line for people, from the last time that `every` rose."""

    FIRST: ClassVar[int] = 50
    SHARE: ClassVar[float] = 0.1
    LEAST: ClassVar[float] = 0.005
    """The minimum seconds of a trial, because its records must be written."""

    def due(self, number: int) -> bool:
        """Whether a decision is due before trial `number`."""
        times = number // self.FIRST
        return bool(times) and self.number < self.FIRST << (times.bit_length() - 1)

    def after(self, number: int, spent: float, workers: int, cost: float) -> "SamplerSwitch":
        """The decision from trial `number` on; a proposal of mfgp costs `cost` seconds there."""
        pace = (spent - self.spent) / (number - self.number) / workers
        work = max(pace, self.LEAST)
        needed = cost * (1 / self.SHARE - 1) / work
        # Odd, so that both models of mfgp take part: they alternate by the trial's number.
        every = max(3 ** max(0, math.ceil(math.log(needed, 3))), self.every)
        why = self.why
        if every > self.every:
            why = (
                f"from trial {number} on mfgp proposes one trial of {every} and evolution the "
                f"others: a trial takes {1000 * pace:.3g} ms{_shared(workers)}, mfgp needs up to "
                f"{1000 * cost:.0f} ms and is to take at most {self.SHARE:.0%} of the time"
            )
        return SamplerSwitch(number, spent, every, why)

    def model_proposes(self, number: int) -> bool:
        return number % self.every == 0


def _shared(workers: int) -> str:
    return f" of {workers} workers" if workers > 1 else ""


def proposal_seconds(number: int, dimensions: int, processes: int) -> float:
    """A conservative estimate of the cost of one mfgp proposal, `number` trials into a study, with
    a process for each objective and each constraint.

    Measurements are in docs/samplers.md.
    """
    return processes * (0.028 + 0.0009 * dimensions + 0.000015 * number)
