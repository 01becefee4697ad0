"""Optuna's samplers as pure functions of our trials.

An Optuna sampler reads a study. It gets an in-memory mirror of our trials, in which unfinished ones
are RUNNING with all their parameters, stopped ones PRUNED with their curve and failed ones FAIL. A
finished trial is translated once. Nothing is written, and every proposal is made by a new sampler
with its own seed, so the trials are the only state.
"""

import random
import warnings
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain
from statistics import NormalDist, fmean
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.storages import InMemoryStorage
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from autotune.search.base import SourceTrials, derive, first_untried
from autotune.search.distributions import distribution
from autotune.search.encode import snap
from autotune.search.threads import one_thread
from autotune.space import Space
from autotune.trial import Goal, Scalar, State, Trial

__all__ = ["GpSampler", "OptunaSampler", "gp", "tpe"]

optuna.logging.set_verbosity(optuna.logging.ERROR)

_STUDY = "ours"
_STATES = {
    State.COMPLETE: TrialState.COMPLETE,
    State.PRUNED: TrialState.PRUNED,
    State.FAILED: TrialState.FAIL,
}

Make = Callable[..., BaseSampler]
"""seed=... -> a new Optuna sampler."""


def tpe(startup: int | None) -> Make:
    return partial(optuna.samplers.TPESampler, multivariate=True, group=True, **_knobs(startup))


def gp(startup: int | None) -> Make:
    import torch  # noqa: F401  # optuna would load it within the first proposal, past `one_thread`

    knobs = _knobs(startup)
    return partial(optuna.samplers.GPSampler, warn_independent_sampling=False, **knobs)


def _knobs(startup: int | None) -> dict[str, Any]:
    return {} if startup is None else {"n_startup_trials": startup}


class OptunaSampler:
    """Asks the sampler that `make` makes. A repeat is asked again with other seeds, up to
    `attempts` times in all, then drawn at random."""

    PROBATION = 10

    def __init__(
        self,
        space: Space,
        goals: Sequence[Goal],
        seed: int,
        make: Make,
        attempts: int,
        past: SourceTrials = (),
    ) -> None:
        self.space = space
        self.seed = seed
        self.make = make
        self.attempts = attempts
        self._distributions = {n: distribution(p) for n, p in space.parameters.items()}
        stopped = self.stopped_take_part(goals)
        self._storage = _TrialStorage(goals, self._distributions, stopped, past)
        self._loss = goals[0].loss

    def stopped_take_part(self, goals: Sequence[Goal]) -> bool:
        """Whether stopped trials are passed as complete ones that violate a constraint, because
        Optuna accepts no pruned trial with several objectives."""
        return len(goals) > 1

    def propose(self, trials: Sequence[Trial], number: int) -> dict[str, Scalar]:
        self._storage.follow(trials, warm=number % 2 == 0 and self._pays(trials))
        rng = random.Random(derive(self.seed, number))
        asked = [partial(self._ask, number, attempt) for attempt in range(self.attempts)]
        with one_thread():
            return first_untried(asked, self.space, rng, trials)

    def _pays(self, trials: Sequence[Trial]) -> bool:
        """Whether earlier studies are still used. Every other proposal uses them, which bounds the
        cost of a misleading one; after `PROBATION` trials only if their proposals did no worse than
        the others."""
        first = sorted((t for t in trials[: self.PROBATION] if t.state.finished), key=self._rank)
        places: tuple[list[int], list[int]] = ([], [])
        for place, trial in enumerate(first):
            places[trial.number % 2].append(place)
        warm, cold = places
        if len(trials) < self.PROBATION or not warm or not cold:
            return True
        return fmean(warm) <= fmean(cold)

    def _rank(self, trial: Trial) -> tuple[bool, bool, int, float]:
        """Better trials first: complete ones, then those that came farther."""
        failed, whole = trial.state == State.FAILED, trial.state == State.COMPLETE
        step = 0 if whole else -max(trial.curve, default=0)
        return failed, not whole, step, self._loss(trial.value or 0.0)

    def _ask(self, number: int, attempt: int) -> dict[str, Scalar]:
        study = Study(_STUDY, self._storage)
        trial = _frozen(number, TrialState.RUNNING)
        with _quiet():
            sampler = self._sampler(study, derive(self.seed, number, attempt))
            relative = sampler.infer_relative_search_space(study, trial)
            values = self._snapped(sampler.sample_relative(study, trial, relative))
            # Define by run: a drawn value may activate more parameters.
            while missing := [n for n in self.space.active(values) if n not in values]:
                for name in missing:
                    found = sampler.sample_independent(
                        study, trial, name, self._distributions[name]
                    )
                    values |= self._snapped({name: found})
        return {name: values[name] for name in self.space.active(values)}

    def _sampler(self, study: Study, seed: int) -> BaseSampler:
        return self.make(seed=seed)

    def _snapped(self, values: Mapping[str, Any]) -> dict[str, Scalar]:
        return {name: snap(self.space.parameters[name], value) for name, value in values.items()}


class GpSampler(OptunaSampler):
    """A Gaussian process would try to model being stopped, so it learns from complete trials only,
    whatever the objectives."""

    def stopped_take_part(self, goals: Sequence[Goal]) -> bool:
        return False


class _TrialStorage(InMemoryStorage):
    """An Optuna study of our trials, translated, behind those of earlier studies.

    Scores of several studies become normal quantiles among each study's own complete trials, which
    uses only their order (D. Salinas et al., "A quantile-based approach for hyperparameter transfer
    learning", ICML 2020); without earlier studies scores stay as they are. Violations become
    constraints. If `stopped` trials take part, being stopped is one more constraint: satisfied by
    complete trials, violated by the others, less the farther they came. So stopped trials rank
    behind all complete feasible ones, as pruned trials do with one objective, and an early score
    never counts as final.
    """

    def __init__(
        self,
        goals: Sequence[Goal],
        distributions: Mapping[str, Any],
        stopped: bool,
        past: SourceTrials = (),
    ) -> None:
        super().__init__()
        self.create_new_study([StudyDirection[goal.name] for goal in goals], _STUDY)
        self._known = distributions
        self._stopped = stopped
        self._ours: list[Trial] = []
        self._theirs: list[FrozenTrial] = []
        self._past = [frozen for trials in past for frozen in self._levelled(trials)]
        self._before: Sequence[FrozenTrial] = ()

    def follow(self, trials: Sequence[Trial], warm: bool) -> None:
        """Adds `trials`, preceded by the earlier studies if `warm`."""
        self._before = self._past if warm else ()
        del self._ours[len(trials) :], self._theirs[len(trials) :]
        for index, trial in enumerate(trials):
            if index == len(self._ours):
                self._ours.append(trial)
                self._theirs.append(self._translate(trial))
            elif self._ours[index] != trial:
                self._ours[index] = trial
                self._theirs[index] = self._translate(trial)
        if self._past:
            _level(self._ours, self._theirs)

    def _levelled(self, trials: Sequence[Trial]) -> list[FrozenTrial]:
        theirs = [self._translate(trial) for trial in trials]
        _level(trials, theirs)
        return theirs

    def _translate(self, trial: Trial) -> FrozenTrial:
        state = _STATES.get(trial.state, TrialState.RUNNING)
        if trial.state == State.PRUNED and not trial.curve:
            state = TrialState.FAIL  # ended before its first report; Optuna would rank it last
        frozen = _frozen(trial.number, state)
        frozen.params = dict(trial.params)
        frozen.distributions = {name: self._known[name] for name in trial.params}
        for place, violation in enumerate(trial.violations):
            frozen.set_constraint(str(place), violation)
        if trial.state == State.COMPLETE:
            assert trial.value is not None, f"trial {trial.number} is complete without a value"
            frozen.values = list(trial.values or [trial.value])
        if self._stopped:
            self._tell_as_complete(frozen, trial)
        else:
            frozen.intermediate_values = dict(trial.curve)
        return frozen

    def _tell_as_complete(self, frozen: FrozenTrial, trial: Trial) -> None:
        if trial.state == State.COMPLETE:
            frozen.set_constraint("stopped", 0.0)
        elif trial.state == State.PRUNED and (trial.values or trial.value is not None):
            frozen.state = TrialState.COMPLETE
            frozen.values = list(trial.values or [trial.value])
            frozen.set_constraint("stopped", 1 / max(trial.curve, default=1))

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        # Samplers only read, so no deep copy is needed.
        both = chain(self._before, self._theirs)
        return [t for t in both if states is None or t.state in states]

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Ignored: samplers announce their proposals to other processes; our trials already do."""


def _level(ours: Sequence[Trial], theirs: Sequence[FrozenTrial]) -> None:
    """Gives each complete trial the normal quantile of its rank; ties share theirs."""
    values = {t.number: t.value for t in ours if t.state == State.COMPLETE and t.value is not None}
    ranked = sorted(values.values())
    for frozen in theirs:
        if frozen.number in values:
            value = values[frozen.number]
            place = (bisect_left(ranked, value) + bisect_right(ranked, value)) / 2
            frozen.value = NormalDist().inv_cdf(place / len(ranked))


def _frozen(number: int, state: TrialState) -> FrozenTrial:
    return FrozenTrial(
        number=number,
        trial_id=number,
        state=state,
        value=None,
        datetime_start=None,
        datetime_complete=None,
        params={},
        distributions={},
        user_attrs={},
        system_attrs={},
        intermediate_values={},
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences warnings that are no news: TPE's groups are experimental since 2021, losses may be
    infinite, and a Gaussian process may see improvement in one place only."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        warnings.filterwarnings("ignore", message="Clip non-finite values")
        warnings.filterwarnings("ignore", message="invalid value encountered in divide")
        yield
