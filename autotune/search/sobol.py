"""A scrambled Sobol sequence: random search without the clumps and the gaps."""

from collections.abc import Sequence
from typing import Literal

from autotune.search.base import SamplerSettings, derive
from autotune.space import Space
from autotune.trial import Goal, Scalar, Trial

__all__ = ["Sobol", "SobolSampler"]


class Sobol(SamplerSettings):
    """Quasi-random points, evenly spread, best in powers of two; scores teach them nothing."""

    name: Literal["sobol"] = "sobol"

    def build(self, space: Space, goal: Goal, seed: int) -> "SobolSampler":
        return SobolSampler(space, seed)


class SobolSampler:
    """Point n of the sequence is trial n: one coordinate a parameter, inactive ones unused.

    Owen-scrambled by the study's seed (A. Owen, "Scrambling Sobol' and Niederreiter-Xing points",
    1998), as in scipy.stats.qmc.
    """

    def __init__(self, space: Space, seed: int) -> None:
        self.space = space
        self.seed = seed

    def propose(self, trials: Sequence[Trial], number: int) -> dict[str, Scalar]:
        from scipy.stats import qmc

        engine = qmc.Sobol(d=len(self.space.parameters), rng=derive(self.seed))
        point = engine.fast_forward(number).random(1)[0]
        return self.space.decode([float(coordinate) for coordinate in point])
