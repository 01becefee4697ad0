"""The sampler of a model of learning curves, put together from the parts in surrogate/."""

import random
from collections.abc import Sequence
from functools import partial
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from autotune.search.base import Past, derive, distinct
from autotune.search.evolution import Evolution, EvolutionSampler
from autotune.search.surrogate.acquire import Moves, climb
from autotune.search.surrogate.aspects import feasible, objectives, violated
from autotune.search.surrogate.features import Features
from autotune.search.surrogate.gain import Gain
from autotune.search.surrogate.levels import Levels, Observed, broken, observe
from autotune.search.surrogate.memory import Memory, remember
from autotune.search.surrogate.priors import Priors
from autotune.search.surrogate.process import Data, Hyper, Posterior, fit
from autotune.search.threads import one_thread
from autotune.space import Categorical, Space
from autotune.trial import Goal, Scalar, State, Trial

__all__ = ["CurveSampler"]

Array = NDArray[np.float64]


class CurveSampler:
    """Sobol points, then the best of many candidates by what `Gain` makes of the last epoch: a
    process for each objective and for each constraint says what to expect there. Until it has
    learnt enough, every other proposal is evolution's.

    The hyperparameters are fitted to the trials below a number that grows by 1.4 (8, 11, 16,
    ...), those among them that have ended: the answer depends on the trials alone, and a study
    fits a few times a threshold only. What is cached is what would be computed again.
    """

    GROWTH = 1.4
    FIRST, OTHER = 100, 50
    """Observations kept of the first level and of each other: half the best, half the newest."""
    PENDING = 200
    RANDOM, BELIEVED, LOCAL = 200, 50, 250
    ROUNDS = 12
    """Of the search for the most promising candidate."""
    ENOUGH = 6
    """Whole trainings that make a model of their own."""
    LEARNING = 3
    """Results, those of earlier studies included, for each choice beyond a parameter's first, until
    the model is trusted alone: between numbers it sees at once, of choices it must see each."""
    DOUBT = 1.0, 3.5
    """Standard deviations below the mean: in the beginning, and when the model has learnt."""

    def __init__(
        self, space: Space, goals: Sequence[Goal], seed: int, startup: int, past: Past = ()
    ) -> None:
        """`past` is for one goal: with it only every other one of the first points is Sobol's."""
        self.space = space
        self.objectives = objectives(goals)
        self.seed = seed
        self.startup = startup
        self.features = Features(space)
        self.priors = Priors(space)
        self.memory = remember(past, self.features, self.objectives[0])
        self.evolution = EvolutionSampler(space, goals, seed, Evolution(startup=startup))
        self._choices = np.array([isinstance(p, Categorical) for p in space.parameters.values()])
        self._units: dict[int, tuple[dict[str, Scalar], Array]] = {}
        self._fitted: dict[Levels, tuple[object, list[Hyper]]] = {}

    def propose(self, trials: Sequence[Trial], number: int) -> dict[str, Scalar] | None:
        results = sum(1 for t in trials if t.state.finished and (t.curve or broken(t)))
        if results < self.startup and (number % 2 or not len(self.memory.units)):
            ordered = self._design(number)
        elif number % 2 and self._learnt(trials) < 1 and _stops(trials):
            return self.evolution.propose(trials, number)
        else:
            with one_thread():
                ordered = self._ranked(trials, number)
        rng = random.Random(derive(self.seed, number))
        draws = [partial(self.space.decode, point) for point in ordered[:20].tolist()]
        return distinct(draws, self.space, rng, trials)

    def _learnt(self, trials: Sequence[Trial]) -> float:
        """How much of what the model needs it has, from 0 to 1."""
        results = sum(t.state.finished for t in trials) + len(self.memory.units)
        choices = [p.choices for p in self.features.parameters if isinstance(p, Categorical)]
        needed = self.LEARNING * sum(len(each) - 1 for each in choices)
        return results / needed if results < needed else 1.0

    def _design(self, number: int) -> Array:
        """A point of a Sobol sequence; where there are priors, every fourth one is drawn from them.
        The first of all is what the user believes in, else the middle of every range."""
        from scipy.stats import qmc

        engine = qmc.Sobol(d=len(self.space.parameters), rng=derive(self.seed, 1))
        if number:  # scipy cannot go forward by nothing
            engine.fast_forward(number)
        point = engine.random(1)
        if number == 0:
            return self.priors.centre(point)
        return self.priors.bend(point) if number % 4 == 2 else point

    def _ranked(self, trials: Sequence[Trial], number: int) -> Array:
        """Candidates, the most promising one first."""
        levels = self._levels(trials, number)
        count = max((len(t.violations) for t in trials), default=0)
        seen = self._seen(trials, levels, count)
        units = self._units_of(trials)
        under_way = [i for i, t in enumerate(trials) if t.state in (State.WAITING, State.RUNNING)]
        pending = self.features.of(units[under_way[-self.PENDING :]])
        models = [
            Posterior(data, hyper, self.features.block, pending)
            for data, hyper in zip(
                self._data(units, levels, seen),
                self._hyper(trials, levels, number, count),
                strict=True,
            )
        ]
        rng = np.random.default_rng(derive(self.seed, number, 1))
        directions = np.random.default_rng(derive(self.seed, number, 2))
        gain = Gain(models, len(self.objectives), directions, self._doubt(trials))
        leaders = self._leaders(gain, seen, units, levels, feasible(trials, count))
        moves = Moves(self._choices, rng)
        start = np.concatenate([self._anywhere(rng), moves.around(leaders, self.LOCAL)])

        def worth(points: Array) -> Array:
            return gain(self.features.of(points))

        points, values = climb(worth, start, moves, self.ROUNDS)
        return points[np.argsort(-values, kind="stable")]

    def _doubt(self, trials: Sequence[Trial]) -> float | None:
        """None where no trial is stopped early: to be wrong costs whole trainings there."""
        if not _stops(trials):
            return None
        first, last = self.DOUBT
        return first + (last - first) * self._learnt(trials)

    def _levels(self, trials: Sequence[Trial], number: int) -> Levels:
        """Every other proposal is by whole trainings alone, where there are enough of them: late
        in a study they know best, and the two models do not make the same mistakes."""
        levels = Levels.of(trials)
        if number % 2:
            return levels
        top = Levels(levels.steps[-1:])
        ended = [t for t in trials[: self._threshold(number)] if t.state.finished]
        return top if len(observe(ended, top, self.objectives[0]).score) >= self.ENOUGH else levels

    def _anywhere(self, rng: np.random.Generator) -> Array:
        points = rng.random((self.RANDOM, len(self._choices)))
        if not self.priors:
            return points
        believed = self.priors.bend(rng.random((self.BELIEVED, len(self._choices))))
        return np.concatenate([points, believed])

    def _leaders(
        self,
        gain: Gain,
        seen: Sequence[Observed],
        units: Array,
        levels: Levels,
        usable: NDArray[np.bool_],
    ) -> Array:
        """The ten trials that are expected to end best; `gain` learns what is to be improved on."""
        told = seen[: len(self.objectives)]
        places = np.unique(told[0].trial)
        known = np.concatenate([units[places], self._recalled(levels).units])
        points = self.features.of(known)
        # Earlier studies do not tell whether they would meet a constraint.
        more = np.full(len(known) - len(places), len(seen) == len(told))
        promising = np.concatenate([usable[places], more])
        whole = (told[0].level == len(levels.steps) - 1) & usable[told[0].trial]
        if whole.any():
            gain.seen = np.stack([observed.score[whole] for observed in told], axis=1)
        elif promising.any():
            gain.seen = gain.expected(points[promising])[0]
        return known[gain.order(points)[:10]]

    def _seen(self, trials: Sequence[Trial], levels: Levels, constraints: int) -> list[Observed]:
        """What is kept of each objective, the same trials in all, and of each constraint."""
        told = [observe(trials, levels, one) for one in self.objectives]
        behind = np.where(feasible(trials, constraints)[told[0].trial], 0.0, 10.0)
        chosen = self._chosen(told[0].level, sum((o.score for o in told), behind))
        bounds = (violated(trials, levels, place) for place in range(constraints))
        near = ((o, self._chosen(o.level, np.abs(o.score))) for o in bounds)
        return [o.at(index) for o, index in chain(((o, chosen) for o in told), near)]

    def _hyper(
        self, trials: Sequence[Trial], levels: Levels, number: int, constraints: int
    ) -> list[Hyper]:
        below = self._threshold(number)
        ended = [t for t in trials[:below] if t.state.finished]
        key = (constraints, tuple(t.number for t in ended))
        known = self._fitted.get(levels)
        if known is None or known[0] != key:
            seen = self._seen(ended, levels, constraints)
            data = self._data(self._units_of(ended), levels, seen)
            hyper = [fit(one, self.features.block) for one in data]
            known = self._fitted[levels] = (key, hyper)
        return known[1]

    def _threshold(self, number: int) -> int:
        below = float(max(2, self.startup))
        while below * self.GROWTH <= number:
            below *= self.GROWTH
        return int(below)

    def _chosen(self, levels: NDArray[np.int64], badness: Array) -> NDArray[np.int64]:
        """Places of the observations that are kept."""
        parts = []
        for level in range(int(levels.max(initial=0)) + 1):
            index = np.flatnonzero(levels == level)
            most = self.OTHER if level else self.FIRST
            if len(index) > most:
                by_score = index[np.argsort(badness[index], kind="stable")]
                rest = np.sort(by_score[most // 2 :])
                index = np.concatenate([by_score[: most // 2], rest[-(most - most // 2) :]])
            parts.append(np.sort(index))
        return np.concatenate(parts)

    def _data(self, units: Array, levels: Levels, seen: Sequence[Observed]) -> list[Data]:
        """One a process; earlier studies speak of the first objective."""
        found = [
            Data(
                self.features.of(units[observed.trial]),
                levels.places()[observed.level],
                observed.score,
                np.zeros(len(observed.score), int),
            )
            for observed in seen
        ]
        return [self._recalled(levels).before(found[0]), *found[1:]]

    def _recalled(self, levels: Levels) -> Memory:
        """Where whole trainings alone are looked at, those of earlier studies are, too."""
        whole = self.memory.data.place >= 1
        return self.memory.at(whole if len(levels.steps) == 1 else np.ones_like(whole))

    def _units_of(self, trials: Sequence[Trial]) -> Array:
        return np.array([self._unit(t) for t in trials]).reshape(-1, len(self._choices))

    def _unit(self, trial: Trial) -> Array:
        known = self._units.get(trial.number)
        if known is None or known[0] != trial.params:
            known = (dict(trial.params), self.features.units(trial.params))
            self._units[trial.number] = known
        return known[1]


def _stops(trials: Sequence[Trial]) -> bool:
    """Whether trials are stopped early."""
    return len(Levels.of(trials).steps) > 1
