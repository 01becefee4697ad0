"""Optuna's NSGA-III, the successor of NSGA-II for three objectives and more."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from autotune.search.base import Sampler, SamplerSettings
from autotune.space import Space
from autotune.trial import Goal

__all__ = ["Nsga3"]


class Nsga3(SamplerSettings):
    """As nsga2, but spread over reference directions: for three objectives and more.

    K. Deb and H. Jain, "An evolutionary many-objective optimization algorithm using
    reference-point-based nondominated sorting approach", 2014.
    """

    name: Literal["nsga3"] = "nsga3"
    several: ClassVar[bool] = True
    constrained: ClassVar[bool] = True
    population: int = Field(default=20, ge=2)
    """Trials a generation; the first one is drawn at random."""

    def build(self, space: Space, goal: Goal, seed: int) -> Sampler:
        return self.build_several(space, [goal], seed)

    def build_several(self, space: Space, goals: Sequence[Goal], seed: int) -> Sampler:
        from autotune.search.evolution import EvolutionSampler, nsga3

        return EvolutionSampler(space, goals, seed, nsga3, self.population)

    def limits(self, space: Space, stops_early: bool) -> list[str]:
        drawn = [name for name, p in space.parameters.items() if p.when]
        return (
            [f"nsga3 draws conditional parameters at random: {', '.join(drawn)}"] if drawn else []
        )
