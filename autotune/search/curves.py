"""The sampler of a model of learning curves, put together from the parts in surrogate/."""

import random
from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from autotune.search.base import derive, distinct
from autotune.search.surrogate.acquire import Moves, climb
from autotune.search.surrogate.features import Features
from autotune.search.surrogate.levels import Levels, Observed, broken, observe
from autotune.search.surrogate.priors import Priors
from autotune.search.surrogate.process import Data, Hyper, Posterior, fit
from autotune.space import Categorical, Space
from autotune.trial import Goal, Scalar, State, Trial

__all__ = ["CurveSampler"]

Array = NDArray[np.float64]


class CurveSampler:
    """Sobol points, then the best of many candidates by what a whole training may reach: the lower
    confidence bound of the model at the last epoch (N. Srinivas et al., "Gaussian process
    optimization in the bandit setting", ICML 2010).

    The hyperparameters are fitted to the trials below a number that grows by 1.4 (8, 11, 16,
    ...), those among them that have ended: the answer depends on the trials alone, and a study
    fits a few times a threshold only. What is cached is what would be computed again.
    """

    GROWTH = 1.4
    DOUBT = 2.5
    """Standard deviations below the mean that a candidate is credited with. Expected improvement
    and less doubt stay too close to what is known: docs/decisions.md."""
    FIRST, OTHER = 100, 50
    """Observations kept of the first level and of each other: half the best, half the newest."""
    PENDING = 200
    TRUST = 10.0
    """The priors' exponent in the acquisition is this over the trial's number (C. Hvarfner et al.,
    "piBO: augmenting acquisition functions with user beliefs", ICLR 2022)."""
    RANDOM, LOCAL, ROUNDS = 200, 250, 2
    ENOUGH = 6
    """Whole trainings that make a model of their own."""

    def __init__(self, space: Space, goal: Goal, seed: int, startup: int) -> None:
        self.space = space
        self.sign = 1.0 if goal == Goal.MINIMIZE else -1.0
        self.seed = seed
        self.startup = startup
        self.features = Features(space)
        self.priors = Priors(space)
        self._choices = np.array([isinstance(p, Categorical) for p in space.parameters.values()])
        self._units: dict[int, tuple[dict[str, Scalar], Array]] = {}
        self._fitted: dict[Levels, tuple[object, Hyper]] = {}

    def propose(self, trials: Sequence[Trial], number: int) -> dict[str, Scalar] | None:
        results = sum(1 for t in trials if t.state.finished and (t.curve or broken(t)))
        if results < self.startup:
            ordered = self._design(number)
        else:
            ordered = self._ranked(trials, number)
        rng = random.Random(derive(self.seed, number))
        draws = [partial(self.space.decode, point) for point in ordered[:20].tolist()]
        return distinct(draws, self.space, rng, trials)

    def _design(self, number: int) -> Array:
        """A point of a Sobol sequence; where there are priors, every other one drawn from them,
        the first of all being what the user believes in."""
        from scipy.stats import qmc

        if self.priors and number == 0:
            return self.priors.centre()[None]
        engine = qmc.Sobol(d=len(self.space.parameters), rng=derive(self.seed, 1))
        if number:  # scipy cannot go forward by nothing
            engine.fast_forward(number)
        point = engine.random(1)
        return self.priors.bend(point) if self.priors and number % 2 == 0 else point

    def _ranked(self, trials: Sequence[Trial], number: int) -> Array:
        """Candidates, the most promising one first."""
        levels = self._levels(trials, number)
        kept = self._kept(observe(trials, levels, self.sign))
        units = np.array([self._unit(t) for t in trials])
        under_way = [i for i, t in enumerate(trials) if t.state in (State.WAITING, State.RUNNING)]
        pending = self.features.of(units[under_way[-self.PENDING :]])
        data, hyper = self._data(units, levels, kept), self._hyper(trials, levels, number)
        posterior = Posterior(data, hyper, self.features.block, pending)
        leaders = self._leaders(posterior, units, kept)
        rng = np.random.default_rng(derive(self.seed, number, 1))
        moves = Moves(self._choices, rng)
        start = np.concatenate([self._anywhere(rng), moves.around(leaders, self.LOCAL, 0.02, 0.3)])
        worth = partial(self._worth, posterior, self.TRUST / number)
        points, values = climb(worth, start, moves, self.ROUNDS)
        return points[np.argsort(-values, kind="stable")]

    def _levels(self, trials: Sequence[Trial], number: int) -> Levels:
        """Every other proposal is by whole trainings alone, where there are enough of them: late
        in a study they know best, and the two models do not make the same mistakes."""
        levels = Levels.of(trials)
        if number % 2:
            return levels
        top = Levels(levels.steps[-1:])
        ended = [t for t in trials[: self._threshold(number)] if t.state.finished]
        return top if len(observe(ended, top, self.sign).score) >= self.ENOUGH else levels

    def _anywhere(self, rng: np.random.Generator) -> Array:
        points = rng.random((self.RANDOM, len(self._choices)))
        points[::2] = self.priors.bend(points[::2])
        return points

    def _worth(self, posterior: Posterior, trust: float, points: Array) -> Array:
        mean, spread = posterior(self.features.of(points))
        hope = self.DOUBT * spread - mean
        if not self.priors:
            return np.asarray(hope)
        return np.asarray(hope + trust * self.priors.log(points, self.features.active(points)))

    def _leaders(self, posterior: Posterior, units: Array, kept: Observed) -> Array:
        """The ten trials that are expected to end best."""
        places = np.unique(kept.trial)
        mean, _ = posterior(self.features.of(units[places]))
        return np.asarray(units[places[np.argsort(mean, kind="stable")[:10]]])

    def _hyper(self, trials: Sequence[Trial], levels: Levels, number: int) -> Hyper:
        below = self._threshold(number)
        ended = [t for t in trials[:below] if t.state.finished]
        key = (levels, tuple(t.number for t in ended))
        known = self._fitted.get(levels)
        if known is None or known[0] != key:
            observed = self._kept(observe(ended, levels, self.sign))
            units = np.array([self._unit(t) for t in ended])
            hyper = fit(self._data(units, levels, observed), self.features.block)
            known = self._fitted[levels] = (key, hyper)
        return known[1]

    def _threshold(self, number: int) -> int:
        below = float(max(2, self.startup))
        while below * self.GROWTH <= number:
            below *= self.GROWTH
        return int(below)

    def _kept(self, observed: Observed) -> Observed:
        parts = []
        for level in range(int(observed.level.max(initial=0)) + 1):
            index = np.flatnonzero(observed.level == level)
            most = self.OTHER if level else self.FIRST
            if len(index) > most:
                by_score = index[np.argsort(observed.score[index], kind="stable")]
                rest = np.sort(by_score[most // 2 :])
                index = np.concatenate([by_score[: most // 2], rest[-(most - most // 2) :]])
            parts.append(np.sort(index))
        chosen = np.concatenate(parts)
        return Observed(observed.trial[chosen], observed.level[chosen], observed.score[chosen])

    def _data(self, units: Array, levels: Levels, observed: Observed) -> Data:
        features = self.features.of(units[observed.trial])
        return Data(features, levels.places()[observed.level], observed.score)

    def _unit(self, trial: Trial) -> Array:
        known = self._units.get(trial.number)
        if known is None or known[0] != trial.params:
            known = (dict(trial.params), self.features.units(trial.params))
            self._units[trial.number] = known
        return known[1]
