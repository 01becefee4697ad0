"""The rules for a study that names no sampler: which one proposes, and how often it does."""

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

        1. grid, when the budget covers every combination of a finite space and there is one
           objective, without constraints and without a warm start: nothing is left out.
        2. mfgp otherwise: it learns from stopped and from whole trainings and from earlier studies,
           takes conditions, choices, priors, several objectives and constraints, and a proposal
           after 10,000 trials costs an eighth of a second. Where trials are so short that this is
           too much, evolution takes turns with it, as `SamplerSwitch` says.
        """
        combinations = space.count()
        finite = combinations is not None and trials is not None and combinations <= trials
        plain = not (several or constrained or self.warm_start)
        return Grid() if finite and plain else Mfgp()


@dataclass(frozen=True, slots=True)
class SamplerSwitch:
    """Who proposes: every `every`-th time mfgp, and evolution in between.

    The rule. At trial 50, 100, 200, 400, ... the worker-seconds that the journal holds since the
    last decision are divided by the trials begun since then and by the workers: so often a trial
    begins if nobody waits. `every` becomes the least of 1, 3, 9, 27, ... by which mfgp's proposals,
    by `proposal_seconds`, take at most 10 % of proposing and working together, and it never falls.
    Costs are read from the journal and decisions are written to it, so the same journal gives the
    same turns. So few values have another reason: a study run twice gets the same turns although
    its trials never take exactly as long.
    """

    number: int = 0
    """The trial before which it was decided."""
    spent: float = 0.0
    """Worker-seconds that the journal held then."""
    every: int = 1
    why: str = ""
    """One line, for people, from the last time that `every` rose."""

    FIRST: ClassVar[int] = 50
    SHARE: ClassVar[float] = 0.1
    LEAST: ClassVar[float] = 0.005
    """Seconds that a trial takes in any case: its records are written before they are acted on."""

    def due(self, number: int) -> bool:
        """Whether a decision comes before trial `number`."""
        times = number // self.FIRST
        return bool(times) and self.number < self.FIRST << (times.bit_length() - 1)

    def after(self, number: int, spent: float, workers: int, cost: float) -> "SamplerSwitch":
        """The turns from trial `number` on; a proposal of mfgp costs `cost` seconds there."""
        pace = (spent - self.spent) / (number - self.number) / workers
        work = max(pace, self.LEAST)
        needed = cost * (1 / self.SHARE - 1) / work
        # Odd, so that both of mfgp's models have their turns: it asks them by odd and even numbers.
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
    """What a proposal of mfgp costs, `number` trials into a study of so many parameters, with a
    process for each objective and each constraint: rather too much than too little.

    What was measured, fits included, stands in docs/samplers.md.
    """
    return processes * (0.028 + 0.0009 * dimensions + 0.000015 * number)
