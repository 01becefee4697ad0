"""Optuna's NSGA-II, the non-dominated sorting genetic algorithm."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from autotune.search.base import Sampler, SamplerSettings
from autotune.space import Space
from autotune.trial import Goal

__all__ = ["Nsga2"]


class Nsga2(SamplerSettings):
    """An evolutionary search: children of the best by rank and by distance, for several objectives
    or one, and for many trials; conditional parameters are drawn at random.

    K. Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II", 2002.
    """

    name: Literal["nsga2"] = "nsga2"
    several: ClassVar[bool] = True
    constrained: ClassVar[bool] = True
    population: int = Field(default=20, ge=2)
    """Trials a generation; the first one is drawn at random."""

    def build(self, space: Space, goal: Goal, seed: int) -> Sampler:
        return self.build_several(space, [goal], seed)

    def build_several(self, space: Space, goals: Sequence[Goal], seed: int) -> Sampler:
        from autotune.search.evolution import EvolutionSampler, nsga2

        return EvolutionSampler(space, goals, seed, nsga2, self.population)

    def limits(self, space: Space, stops_early: bool) -> list[str]:
        drawn = [name for name, p in space.parameters.items() if p.when]
        return (
            [f"nsga2 draws conditional parameters at random: {', '.join(drawn)}"] if drawn else []
        )
