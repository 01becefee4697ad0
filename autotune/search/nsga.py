"""Settings that the genetic algorithms share."""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from autotune.search.base import Sampler, SamplerSettings
from autotune.space import Space
from autotune.trial import Goal

__all__ = ["NsgaSettings"]


class NsgaSettings(SamplerSettings):
    """An evolutionary search; conditional parameters are drawn at random."""

    name: str
    several: ClassVar[bool] = True
    constrained: ClassVar[bool] = True
    population: int = Field(default=20, ge=2)
    """Trials a generation; the first one is drawn at random."""

    def build(self, space: Space, goal: Goal, seed: int) -> Sampler:
        return self.build_several(space, [goal], seed)

    def build_several(self, space: Space, goals: Sequence[Goal], seed: int) -> Sampler:

        from autotune.search import nsga_sampler

        make = {"nsga2": nsga_sampler.nsga2, "nsga3": nsga_sampler.nsga3}[self.name]
        return nsga_sampler.NsgaSampler(space, goals, seed, make, self.population)

    def limits(self, space: Space, stops_early: bool) -> list[str]:
        drawn = ", ".join(name for name, p in space.parameters.items() if p.when)
        return [f"{self.name} draws conditional parameters at random: {drawn}"] if drawn else []
