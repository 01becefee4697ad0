"""The rule that picks a sampler for a study that names none."""

from typing import Literal

from autotune.search.base import Sampler, SamplerSettings
from autotune.search.gp import Gp
from autotune.search.grid import Grid
from autotune.search.tpe import Tpe
from autotune.space import Categorical, Space
from autotune.trial import Goal

__all__ = ["Auto"]

GP_TRIALS = 100
"""Above this many trials, proposals of the Gaussian process take seconds."""


class Auto(SamplerSettings):
    """Let autotune choose: `choose` states the rule, and the study journals what it chose."""

    name: Literal["auto"] = "auto"

    def build(self, space: Space, goal: Goal, seed: int) -> Sampler:
        return self.choose(space, trials=None, stops_early=True).build(space, goal, seed)

    def choose(self, space: Space, trials: int | None, stops_early: bool) -> Grid | Gp | Tpe:
        """The sampler for a budget of `trials` (None: unknown) with or without early stopping.

        1. grid, when the budget covers every combination of a finite space: nothing is left out.
        2. gp, when no trial is stopped early, at most 100 are run and every parameter is an
           unconditional number: few and whole trainings are what it is best at.
        3. tpe otherwise: it takes conditional parameters and stopped trials, at a bounded cost.
        """
        combinations = space.count()
        if combinations is not None and trials is not None and combinations <= trials:
            return Grid()
        if not stops_early and trials is not None and trials <= GP_TRIALS and _plain(space):
            return Gp()
        return Tpe()


def _plain(space: Space) -> bool:
    return all(not p.when and not isinstance(p, Categorical) for p in space.parameters.values())
