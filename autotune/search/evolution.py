"""Evolution: children of the best trials so far, without a model, at a small constant cost."""

import math
import random
from collections.abc import Mapping, Sequence
from functools import partial
from typing import ClassVar, Literal

from pydantic import Field

from autotune.search.base import Draw, SamplerSettings, derive, first_untried
from autotune.search.encode import encode
from autotune.search.nondominated_sorting import NondominatedRanking
from autotune.space import Categorical, Parameter, Space, is_active
from autotune.space.parameter import size
from autotune.trial import Goal, Scalar, Trial

__all__ = ["Evolution", "EvolutionSampler"]

Params = Mapping[str, Scalar]


class Evolution(SamplerSettings):
    """Children of the best trials, without a model: for very many, very short trials.

    As E. Real et al., "Regularized evolution for image classifier architecture search", AAAI 2019,
    trial by trial, without generations. Differences: the parents are the best trials at the
    farthest step that enough trials reached, since most are stopped early, and half of the children
    have two parents.
    """

    name: Literal["evolution"] = "evolution"
    startup: int = Field(default=20, ge=1)
    """Random draws before the first child."""
    population: int = Field(default=6, ge=1)
    """How many of the best trials are parents."""

    uses_priors: ClassVar[bool] = True
    several: ClassVar[bool] = True
    constrained: ClassVar[bool] = True

    def build(self, space: Space, goal: Goal, seed: int) -> "EvolutionSampler":
        return EvolutionSampler(space, [goal], seed, self)

    def build_several(self, space: Space, goals: Sequence[Goal], seed: int) -> "EvolutionSampler":
        return EvolutionSampler(space, goals, seed, self)


class EvolutionSampler:
    """A child inherits its parents' values and changes a few. A number moves by a step of random
    size, at least to the next value of its grid; a choice becomes another one. Newly active
    parameters are drawn, inactive ones dropped."""

    ATTEMPTS = 16
    CROSSED = 0.5
    """Share of children with two parents."""
    CHANGED = 3
    """Mean number of changed values in half of the children; in the others half of the values
    change."""
    SMALLEST, LARGEST = 0.1, 0.8
    """Standard deviation of a step, in units of a parameter's range."""

    def __init__(self, space: Space, goals: Sequence[Goal], seed: int, settings: Evolution) -> None:
        from autotune.search.surrogate.priors import Priors

        self.space, self.seed, self.startup = space, seed, settings.startup
        self.priors = Priors(space)
        self.ranking = NondominatedRanking(goals, settings.population)

    def propose(self, trials: Sequence[Trial], number: int) -> dict[str, Scalar]:
        self.ranking.follow(trials)
        rng = random.Random(derive(self.seed, number))
        draw: Draw = partial(self._drawn, rng)
        if number == 0 and self.priors:
            draw = partial(self._believed, rng)
        elif len(self.ranking) >= self.startup:
            parents = [trials[place].params for place in self.ranking.best()]
            draw = partial(self._child, parents, rng)
        return first_untried([draw] * self.ATTEMPTS, self.space, rng, trials)

    def _believed(self, rng: random.Random) -> dict[str, Scalar]:
        """The priors' values, and the middle of every other range."""
        import numpy as np

        point = np.array([[rng.random() for _ in self.space.parameters]])
        return self.space.decode(self.priors.centre(point)[0].tolist())

    def _drawn(self, rng: random.Random) -> dict[str, Scalar]:
        return self.space.decode(self._point(rng))

    def _point(self, rng: random.Random) -> list[float]:
        """A random draw; every other one from the priors, if there are any."""
        point = [rng.random() for _ in self.space.parameters]
        if not self.priors or rng.random() < 0.5:
            return point
        import numpy as np

        bent: list[float] = self.priors.bend(np.array([point]))[0].tolist()
        return bent

    def _child(self, parents: Sequence[Params], rng: random.Random) -> dict[str, Scalar]:
        given = self._crossed(parents, rng)
        share = min(1.0, self.CHANGED / len(given)) if rng.random() < 0.5 else 0.5
        changed = {rng.choice(list(given)), *(name for name in given if rng.random() < share)}
        step = math.exp(rng.uniform(math.log(self.SMALLEST), math.log(self.LARGEST)))
        drawn = self._point(rng)
        values: dict[str, Scalar] = {}
        for unit, (name, parameter) in zip(drawn, self.space.parameters.items(), strict=True):
            if not is_active(parameter, values):
                continue
            if name not in given:
                values[name] = parameter.decode(unit)
            elif name in changed:
                values[name] = _moved(parameter, given[name], step, rng)
            else:
                values[name] = given[name]
        return values

    def _crossed(self, parents: Sequence[Params], rng: random.Random) -> Params:
        """The values of one parent, or each value from one of two."""
        one, other = rng.choice(parents), rng.choice(parents)
        if rng.random() >= self.CROSSED:
            return one
        both = {**other, **one}
        return {
            name: other[name] if name in other and rng.random() < 0.5 else both[name]
            for name in self.space.parameters
            if name in both
        }


def _moved(parameter: Parameter, value: Scalar, step: float, rng: random.Random) -> Scalar:
    if isinstance(parameter, Categorical):
        others = [choice for choice in parameter.choices if choice != value]
        return rng.choice(others) if others else value
    assert isinstance(value, int | float), "a range holds numbers"
    values = size(parameter)  # 0: endless
    spread = max(step, 1 / values) if values else step
    place = abs(encode(parameter, value) + rng.gauss(0.0, spread)) % 2  # reflected at the bounds
    return parameter.decode(min(2 - place if place > 1 else place, math.nextafter(1.0, 0.0)))
