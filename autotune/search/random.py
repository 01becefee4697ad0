"""Independent draws from the space: the baseline every other sampler must beat."""

import random
from collections.abc import Sequence
from typing import ClassVar, Literal

from autotune.search.base import SamplerSettings, derive, first_untried
from autotune.space import Space
from autotune.trial import Goal, Scalar, Trial

__all__ = ["Random", "RandomSampler"]


class Random(SamplerSettings):
    """Independent uniform draws (log-uniform where `log: true`)."""

    name: Literal["random"] = "random"
    several: ClassVar[bool] = True
    constrained: ClassVar[bool] = True

    def build(self, space: Space, goal: Goal, seed: int) -> "RandomSampler":
        return RandomSampler(space, seed)


class RandomSampler:
    """Redraws repeated combinations, so that small spaces are not wasted."""

    def __init__(self, space: Space, seed: int) -> None:
        self.space = space
        self.seed = seed

    def propose(self, trials: Sequence[Trial], number: int) -> dict[str, Scalar]:
        rng = random.Random(derive(self.seed, number))
        return first_untried([], self.space, rng, trials)
