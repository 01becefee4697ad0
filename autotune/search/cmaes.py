"""Covariance matrix adaptation: an evolution strategy over the numeric parameters."""

from typing import Literal

from pydantic import Field

from autotune.errors import Problem
from autotune.search.base import Sampler, SamplerSettings
from autotune.space import Categorical, Parameter, Space
from autotune.trial import Goal

__all__ = ["Cmaes"]


class Cmaes(SamplerSettings):
    """An evolution strategy for many trials over numbers; the rest is drawn at random.

    N. Hansen and A. Ostermeier, "Completely derandomized self-adaptation in evolution strategies",
    2001.
    """

    name: Literal["cmaes"] = "cmaes"
    population: int | None = Field(default=None, ge=4)
    """Trials a generation; unset, 4 + 3 ln(number of numeric parameters)."""

    def build(self, space: Space, goal: Goal, seed: int) -> Sampler:
        raise NotImplementedError

    def check(self, space: Space) -> list[Problem]:
        if any(_evolves(parameter) for parameter in space.parameters.values()):
            return []
        message = (
            "cmaes needs at least one number that is searched under no condition, but the space "
            "has none; choose tpe, which takes choices and conditions"
        )
        return [Problem(message, ("search", "name"))]

    def limits(self, space: Space, stops_early: bool) -> list[str]:
        drawn = [name for name, p in space.parameters.items() if not _evolves(p)]
        return [f"cmaes draws at random: {', '.join(drawn)}"] if drawn else []


def _evolves(parameter: Parameter) -> bool:
    if isinstance(parameter, Categorical) or parameter.when:
        return False
    return parameter.low < parameter.high
