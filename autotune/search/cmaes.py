"""Covariance matrix adaptation: an evolution strategy over the numeric parameters."""

import math
import random
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal, TypeGuard

from pydantic import Field

from autotune.errors import Problem
from autotune.search.base import SamplerSettings, derive, first_untried
from autotune.search.encode import encode
from autotune.space import Categorical, Float, Int, Parameter, Space
from autotune.trial import Goal, Reason, Scalar, State, Trial

if TYPE_CHECKING:
    import numpy as np
    from cmaes import CMA

__all__ = ["Cmaes", "CmaesSampler"]


class Cmaes(SamplerSettings):
    """An evolution strategy for many trials over numbers; other parameters are drawn at random.

    N. Hansen and A. Ostermeier, "Completely derandomized self-adaptation in evolution strategies",
    2001.
    """

    name: Literal["cmaes"] = "cmaes"
    constrained: ClassVar[bool] = True
    population: int | None = Field(default=None, ge=4)
    """Trials a generation. Default: 4 + 3 ln(number of numeric parameters)."""

    def build(self, space: Space, goal: Goal, seed: int) -> "CmaesSampler":
        return CmaesSampler(space, goal, seed, self.population)

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


class CmaesSampler:
    """The strategy's state is a fold over the finished trials, by number.

    They are cut into generations of the population's size, and each full generation updates the
    strategy. A slow trial delays nobody: when it ends it takes its place by number, and later
    generations shift by one. Samples may be older than their generation by at most the number of
    workers.

    Only ranks are used. Feasible trials come before infeasible ones, which are ranked by violation.
    Of the feasible, complete trials come first, by value, then stopped ones, those that came
    farther first. Trials that failed for nan or memory come last. Other failures say nothing about
    the parameters and are left out. A converged strategy restarts elsewhere.
    """

    ATTEMPTS = 8
    SIGMA = 1 / 4
    """Spread of the first generation, in units of a parameter's range."""

    def __init__(self, space: Space, goal: Goal, seed: int, population: int | None) -> None:
        self.space = space
        self.loss = goal.loss
        self.seed = seed
        self.population = population
        self.evolved = {n: p for n, p in space.parameters.items() if _evolves(p)}

    def propose(self, trials: Sequence[Trial], number: int) -> dict[str, Scalar]:
        cma = self._fold([trial for trial in trials if _tells(trial)])
        seed = derive(self.seed, number)
        cma.reseed_rng(seed)
        rng = random.Random(seed)
        asked = [partial(self._ask, cma, rng)] * self.ATTEMPTS
        return first_untried(asked, self.space, rng, trials)

    def _ask(self, cma: "CMA", rng: random.Random) -> dict[str, Scalar]:
        point = dict(zip(self.evolved, cma.ask().tolist(), strict=True))
        return self.space.decode([point.get(n, rng.random()) for n in self.space.parameters])

    def _fold(self, trials: Sequence[Trial]) -> "CMA":
        cma = self._start(0)
        size = cma.population_size
        for end in range(size, len(trials) + 1, size):
            ranked = sorted(trials[end - size : end], key=self._rank)
            cma.tell([(self._point(trial), float(rank)) for rank, trial in enumerate(ranked)])
            if cma.should_stop():
                cma = self._start(end)
        return cma

    def _start(self, told: int) -> "CMA":
        """A new strategy after `told` trials: the first in the middle, later ones anywhere."""
        import numpy as np
        from cmaes import CMA

        rng = random.Random(derive(self.seed, 0, told))
        mean = np.array([rng.random() if told else 0.5 for _ in self.evolved])
        bounds = np.array([(0.0, 1.0)] * len(self.evolved))
        return CMA(mean, self.SIGMA, bounds=bounds, population_size=self.population)

    def _point(self, trial: Trial) -> "np.ndarray":
        import numpy as np

        numbers = {n: float(trial.params[n]) for n in self.evolved}  # type: ignore[arg-type]
        return np.array([encode(p, numbers[n]) for n, p in self.evolved.items()])

    def _rank(self, trial: Trial) -> tuple[float, int, int, float]:
        failed = trial.state == State.FAILED
        return math.inf if failed else trial.violation, *self._by_score(trial)

    def _by_score(self, trial: Trial) -> tuple[int, int, float]:
        if trial.value is not None and trial.state == State.COMPLETE:
            return 0, 0, self.loss(trial.value)
        if trial.state == State.PRUNED and trial.curve:
            last = max(trial.curve)
            return 1, -last, self.loss(trial.curve[last])
        return 2, 0, 0.0


def _tells(trial: Trial) -> bool:
    """Whether the trial's end says something about its parameters."""
    if trial.state == State.FAILED:
        return trial.reason in (Reason.NAN, Reason.OOM)
    return trial.state.finished


def _evolves(parameter: Parameter) -> TypeGuard[Float | Int]:
    return not isinstance(parameter, Categorical) and not parameter.when
