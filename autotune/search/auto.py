"""The rule that picks a sampler for a study that names none."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from autotune.search.base import Sampler, SamplerSettings
from autotune.search.grid import Grid
from autotune.search.mfgp import Mfgp
from autotune.space import Space
from autotune.trial import Goal

__all__ = ["Auto"]


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
           after 10,000 trials costs an eighth of a second.
        """
        combinations = space.count()
        finite = combinations is not None and trials is not None and combinations <= trials
        plain = not (several or constrained or self.warm_start)
        return Grid() if finite and plain else Mfgp()
