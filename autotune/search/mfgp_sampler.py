"""The mfgp sampler, assembled from the parts in surrogate/."""

import random
from collections.abc import Sequence
from functools import partial
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from autotune.search.base import SourceTrials, derive, first_untried
from autotune.search.evolution import Evolution, EvolutionSampler
from autotune.search.surrogate.acquisition import Acquisition
from autotune.search.surrogate.acquisition_optimizer import Perturbation, local_search
from autotune.search.surrogate.features import Features
from autotune.search.surrogate.fidelities import Fidelities, Observed, broken, observe
from autotune.search.surrogate.gaussian_process import Data, Hyperparameters, Posterior, fit
from autotune.search.surrogate.priors import Priors
from autotune.search.surrogate.targets import feasible, objectives, violated
from autotune.search.surrogate.transfer_data import TransferData, transfer_data
from autotune.search.threads import one_thread
from autotune.space import Categorical, Space
from autotune.trial import Goal, Scalar, State, Trial

__all__ = ["MfgpSampler"]

Array = NDArray[np.float64]


class MfgpSampler:
    """Proposes Sobol points first, then the candidate with the highest acquisition value.

    One Gaussian process for each objective and each constraint predicts the last epoch. Until the
    model has seen enough results, every other proposal comes from evolution.

    Refits only when the trial count has grown 1.4x (8, 11, 16, ...), from the trials below that
    count that have ended, so that a proposal depends on the trials alone. Caches never change
    results.
    """

    GROWTH = 1.4
    FIRST, OTHER = 100, 50
    """Observations kept of the first fidelity and of each other: half the best, half the newest."""
    PENDING = 200
    RANDOM, BELIEVED, LOCAL = 200, 50, 250
    ROUNDS = 12
    """Settings of the acquisition optimizer."""
    MIN_COMPLETE_TRIALS = 6
    """Minimum complete trials for a full-fidelity model."""
    RESULTS_PER_CHOICE = 3
    """Results for each choice beyond a parameter's first, earlier studies included, before the
    model proposes alone. It interpolates between numbers, but must see each choice."""
    BETA = 1.0, 3.5
    """Standard deviations below the mean, at first and with enough results."""

    def __init__(
        self, space: Space, goals: Sequence[Goal], seed: int, startup: int, past: SourceTrials = ()
    ) -> None:
        """`past` is for one goal: with it, only every other first point is a Sobol point."""
        self.space = space
        self.objectives = objectives(goals)
        self.seed = seed
        self.startup = startup
        self.features = Features(space)
        self.priors = Priors(space)
        self.transfer = transfer_data(past, self.features, self.objectives[0])
        self.evolution = EvolutionSampler(space, goals, seed, Evolution(startup=startup))
        self._choices = np.array([isinstance(p, Categorical) for p in space.parameters.values()])
        self._units: dict[int, tuple[dict[str, Scalar], Array]] = {}
        self._fitted: dict[Fidelities, tuple[object, list[Hyperparameters]]] = {}

    def propose(self, trials: Sequence[Trial], number: int) -> dict[str, Scalar] | None:
        results = sum(1 for t in trials if t.state.finished and (t.curve or broken(t)))
        if results < self.startup and (number % 2 or not len(self.transfer.units)):
            ordered = self._design(number)
        elif number % 2 and self._learnt(trials) < 1 and _stops(trials):
            return self.evolution.propose(trials, number)
        else:
            with one_thread():
                ordered = self._ranked(trials, number)
        rng = random.Random(derive(self.seed, number))
        draws = [partial(self.space.decode, point) for point in ordered[:20].tolist()]
        return first_untried(draws, self.space, rng, trials)

    def _learnt(self, trials: Sequence[Trial]) -> float:
        """The share of the results that the model needs, from 0 to 1."""
        results = sum(t.state.finished for t in trials) + len(self.transfer.units)
        choices = [p.choices for p in self.features.parameters if isinstance(p, Categorical)]
        needed = self.RESULTS_PER_CHOICE * sum(len(each) - 1 for each in choices)
        return results / needed if results < needed else 1.0

    def _design(self, number: int) -> Array:
        """A point of a Sobol sequence; with priors, every fourth one is drawn from them. The very
        first has the priors' values, or else the middle of every range."""
        from scipy.stats import qmc

        engine = qmc.Sobol(d=len(self.space.parameters), rng=derive(self.seed, 1))
        if number:  # scipy refuses fast_forward(0)
            engine.fast_forward(number)
        point = engine.random(1)
        if number == 0:
            return self.priors.centre(point)
        return self.priors.bend(point) if number % 4 == 2 else point

    def _ranked(self, trials: Sequence[Trial], number: int) -> Array:
        """Candidates, the most promising first."""
        fidelities = self._fidelities(trials, number)
        count = max((len(t.violations) for t in trials), default=0)
        seen = self._seen(trials, fidelities, count)
        units = self._units_of(trials)
        under_way = [i for i, t in enumerate(trials) if t.state in (State.WAITING, State.RUNNING)]
        pending = self.features.of(units[under_way[-self.PENDING :]])
        models = [
            Posterior(data, hyper, self.features.block, pending)
            for data, hyper in zip(
                self._data(units, fidelities, seen),
                self._hyper(trials, fidelities, number, count),
                strict=True,
            )
        ]
        rng = np.random.default_rng(derive(self.seed, number, 1))
        directions = np.random.default_rng(derive(self.seed, number, 2))
        acquisition = Acquisition(models, len(self.objectives), directions, self._beta(trials))
        leaders = self._leaders(acquisition, seen, units, fidelities, feasible(trials, count))
        moves = Perturbation(self._choices, rng)
        start = np.concatenate([self._anywhere(rng), moves.around(leaders, self.LOCAL)])

        def worth(points: Array) -> Array:
            return acquisition(self.features.of(points))

        points, values = local_search(worth, start, moves, self.ROUNDS)
        return points[np.argsort(-values, kind="stable")]

    def _beta(self, trials: Sequence[Trial]) -> float | None:
        """None without early stopping: there, mistakes cost full trainings."""
        if not _stops(trials):
            return None
        first, last = self.BETA
        return first + (last - first) * self._learnt(trials)

    def _fidelities(self, trials: Sequence[Trial], number: int) -> Fidelities:
        """Every other proposal uses a model of complete trials, if there are enough: late in a
        study it is the more accurate one, and the two models make different mistakes."""
        fidelities = Fidelities.of(trials)
        if number % 2:
            return fidelities
        top = Fidelities(fidelities.steps[-1:])
        ended = [t for t in trials[: self._threshold(number)] if t.state.finished]
        return (
            top
            if len(observe(ended, top, self.objectives[0]).score) >= self.MIN_COMPLETE_TRIALS
            else fidelities
        )

    def _anywhere(self, rng: np.random.Generator) -> Array:
        points = rng.random((self.RANDOM, len(self._choices)))
        if not self.priors:
            return points
        believed = self.priors.bend(rng.random((self.BELIEVED, len(self._choices))))
        return np.concatenate([points, believed])

    def _leaders(
        self,
        acquisition: Acquisition,
        seen: Sequence[Observed],
        units: Array,
        fidelities: Fidelities,
        usable: NDArray[np.bool_],
    ) -> Array:
        """The ten trials that are expected to end best. Sets the results that `acquisition` should
        improve on."""
        told = seen[: len(self.objectives)]
        places = np.unique(told[0].trial)
        known = np.concatenate([units[places], self._recalled(fidelities).units])
        points = self.features.of(known)
        # Earlier studies do not tell whether they satisfy a constraint.
        more = np.full(len(known) - len(places), len(seen) == len(told))
        promising = np.concatenate([usable[places], more])
        whole = (told[0].fidelity == len(fidelities.steps) - 1) & usable[told[0].trial]
        if whole.any():
            acquisition.seen = np.stack([observed.score[whole] for observed in told], axis=1)
        elif promising.any():
            acquisition.seen = acquisition.expected(points[promising])[0]
        return known[acquisition.order(points)[:10]]

    def _seen(
        self, trials: Sequence[Trial], fidelities: Fidelities, constraints: int
    ) -> list[Observed]:
        """The observations kept of each objective, of the same trials in all, and of each
        constraint."""
        told = [observe(trials, fidelities, one) for one in self.objectives]
        behind = np.where(feasible(trials, constraints)[told[0].trial], 0.0, 10.0)
        chosen = self._chosen(told[0].fidelity, sum((o.score for o in told), behind))
        bounds = (violated(trials, fidelities, place) for place in range(constraints))
        near = ((o, self._chosen(o.fidelity, np.abs(o.score))) for o in bounds)
        return [o.at(index) for o, index in chain(((o, chosen) for o in told), near)]

    def _hyper(
        self, trials: Sequence[Trial], fidelities: Fidelities, number: int, constraints: int
    ) -> list[Hyperparameters]:
        below = self._threshold(number)
        ended = [t for t in trials[:below] if t.state.finished]
        key = (constraints, tuple(t.number for t in ended))
        known = self._fitted.get(fidelities)
        if known is None or known[0] != key:
            seen = self._seen(ended, fidelities, constraints)
            data = self._data(self._units_of(ended), fidelities, seen)
            hyper = [fit(one, self.features.block) for one in data]
            known = self._fitted[fidelities] = (key, hyper)
        return known[1]

    def _threshold(self, number: int) -> int:
        below = float(max(2, self.startup))
        while below * self.GROWTH <= number:
            below *= self.GROWTH
        return int(below)

    def _chosen(self, fidelities: NDArray[np.int64], badness: Array) -> NDArray[np.int64]:
        """Indices of the observations that are kept."""
        parts = []
        for fidelity in range(int(fidelities.max(initial=0)) + 1):
            index = np.flatnonzero(fidelities == fidelity)
            most = self.OTHER if fidelity else self.FIRST
            if len(index) > most:
                by_score = index[np.argsort(badness[index], kind="stable")]
                rest = np.sort(by_score[most // 2 :])
                index = np.concatenate([by_score[: most // 2], rest[-(most - most // 2) :]])
            parts.append(np.sort(index))
        return np.concatenate(parts)

    def _data(self, units: Array, fidelities: Fidelities, seen: Sequence[Observed]) -> list[Data]:
        """One Gaussian process each; earlier studies contribute to the first objective."""
        found = [
            Data(
                self.features.of(units[observed.trial]),
                fidelities.places()[observed.fidelity],
                observed.score,
                np.zeros(len(observed.score), int),
            )
            for observed in seen
        ]
        return [self._recalled(fidelities).before(found[0]), *found[1:]]

    def _recalled(self, fidelities: Fidelities) -> TransferData:
        """With complete trials only, earlier studies are restricted likewise."""
        whole = self.transfer.data.place >= 1
        return self.transfer.at(whole if len(fidelities.steps) == 1 else np.ones_like(whole))

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
    return len(Fidelities.of(trials).steps) > 1
