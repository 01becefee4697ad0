"""What the sampler's own model says of configurations that nobody trained.

One Gaussian process over the parameters and the fidelities, fitted to all trials, stopped ones
included. Its answers are predictions of a whole training, in the objective's units.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autotune.search.surrogate.features import Features
from autotune.search.surrogate.fidelities import Fidelities, observe
from autotune.search.surrogate.gaussian_process import Data, Posterior, fit
from autotune.search.surrogate.targets import objectives
from autotune.search.threads import one_thread
from autotune.space import Categorical
from autotune.study.history import History
from autotune.trial import Scalar

__all__ = ["Contour", "Surrogate", "contour", "of_study"]

Array = NDArray[np.float64]
_MOST = 100
"""Observations kept of each fidelity, evenly spaced by their score."""
_FEWEST = 8
_GRID = 25


class Surrogate:
    """Made by `of_study`."""

    def __init__(self, history: History, features: Features, data: Data, told: Array) -> None:
        """`told`: rows of score and objective value of whole trainings, ascending by score."""
        self.space, self._features, self._told = history.spec.space, features, told
        with one_thread():
            hyper = fit(data, features.block)
            nothing = np.zeros((0, data.features.shape[1]))
            self._posterior = Posterior(data, hyper, features.block, nothing)
        weights = hyper.weights[: len(features.names)]
        self.rates = dict(zip(features.names, np.exp(weights / 2).tolist(), strict=True))
        """By parameter: its inverse length, how fast the score changes along its range."""

    def predict(self, points: Sequence[Mapping[str, Scalar]]) -> list[float]:
        """The objective at each point after a whole training, never beyond what was seen."""
        units = np.array([self._features.units(point) for point in points])
        with one_thread():
            mean, _ = self._posterior(self._features.of(units))
        return [float(v) for v in np.interp(mean, self._told[:, 0], self._told[:, 1])]


def of_study(history: History) -> Surrogate | None:
    """Of the first objective. None where too few trials have a score, or all have the same."""
    trials = history.snapshots()
    fidelities = Fidelities.of(trials)
    extract = objectives(history.spec.scoring.goals)[0]
    seen = observe(trials, fidelities, extract)
    whole = seen.at(np.flatnonzero(seen.fidelity == len(fidelities.steps) - 1))
    told = {  # a failed trial has a score, the worst, and no loss
        score: loss
        for i, score in zip(whole.trial.tolist(), whole.score.tolist(), strict=True)
        if trials[i].curve and (loss := extract(trials[i], fidelities.steps[-1])) is not None
    }
    if len(seen.score) < _FEWEST or len(set(told.values())) < 3:
        return None
    features = Features(history.spec.space)
    kept = seen.at(_spread(seen.fidelity, seen.score))
    units = np.array([features.units(trials[i].params) for i in kept.trial])
    study = np.zeros(len(kept.score), int)
    data = Data(features.of(units), fidelities.places()[kept.fidelity], kept.score, study)
    turn = history.spec.objective.goal.loss  # of a loss: the objective's value again
    pairs = np.array([(score, turn(loss)) for score, loss in sorted(told.items())])
    return Surrogate(history, features, data, pairs)


def _spread(fidelity: NDArray[np.int64], score: Array) -> NDArray[np.int64]:
    parts = []
    for level in np.unique(fidelity):
        index = np.flatnonzero(fidelity == level)
        index = index[np.argsort(score[index], kind="stable")]
        if len(index) > _MOST:
            index = index[np.linspace(0, len(index) - 1, _MOST).round().astype(int)]
        parts.append(np.sort(index))
    return np.concatenate(parts)


@dataclass(frozen=True, slots=True)
class Contour:
    """Predictions over two parameters, the others being those of a trial."""

    x: str
    y: str
    xs: tuple[Scalar, ...]
    ys: tuple[Scalar, ...]
    values: tuple[tuple[float, ...], ...]
    """A row for each of `ys`."""
    best: tuple[Scalar, Scalar, float]
    """Where the prediction is best."""
    trial: int


def contour(model: Surrogate, history: History, trial: int, x: str, y: str) -> Contour:
    params = history.trials[trial].params
    xs, ys = _axis(model, x), _axis(model, y)
    points = [{**params, x: at, y: beside} for beside in ys for at in xs]
    active = [{n: p[n] for n in model.space.active(p) if n in p} for p in points]
    told = model.predict(active)
    rows = tuple(tuple(told[i * len(xs) : (i + 1) * len(xs)]) for i in range(len(ys)))
    value = history.spec.objective.goal.best(told)
    place = told.index(value)
    best = xs[place % len(xs)], ys[place // len(xs)], value
    return Contour(x, y, xs, ys, rows, best, trial)


def _axis(model: Surrogate, name: str) -> tuple[Scalar, ...]:
    parameter = model.space.parameters[name]
    if isinstance(parameter, Categorical):
        return parameter.choices
    values = [parameter.decode(min(i / (_GRID - 1), 1 - 1e-12)) for i in range(_GRID)]
    return tuple(dict.fromkeys(values))
