"""A scrambled Sobol sequence: like random search, but evenly spread."""

import random
from collections.abc import Sequence
from functools import partial
from typing import ClassVar, Literal

from autotune.search.base import SamplerSettings, derive, first_untried
from autotune.space import Space
from autotune.trial import Goal, Scalar, Trial

__all__ = ["Sobol", "SobolSampler"]


class Sobol(SamplerSettings):
    """Quasi-random points, evenly spread, best in powers of two; does not learn from scores."""

    name: Literal["sobol"] = "sobol"
    several: ClassVar[bool] = True
    constrained: ClassVar[bool] = True

    def build(self, space: Space, goal: Goal, seed: int) -> "SobolSampler":
        return SobolSampler(space, seed)


class SobolSampler:
    """Point n of the sequence is trial n: one coordinate a parameter, unused if inactive.

    Owen-scrambled by the study's seed (A. Owen, "Scrambling Sobol' and Niederreiter-Xing points",
    1998), as in scipy.stats.qmc. A repeated combination, as in finite spaces, is replaced by a
    random one.
    """

    def __init__(self, space: Space, seed: int) -> None:
        self.space = space
        self.seed = seed

    def propose(self, trials: Sequence[Trial], number: int) -> dict[str, Scalar]:
        rng = random.Random(derive(self.seed, number))
        return first_untried([partial(self._point, number)], self.space, rng, trials)

    def _point(self, number: int) -> dict[str, Scalar]:
        from scipy.stats import qmc

        engine = qmc.Sobol(d=len(self.space.parameters), rng=derive(self.seed))
        if number:  # scipy refuses fast_forward(0)
            engine.fast_forward(number)
        return self.space.decode(engine.random(1)[0].tolist())
