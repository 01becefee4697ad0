"""PED-ANOVA: how differently a parameter is distributed among the best trials and among all.

S. Watanabe et al., "PED-ANOVA: efficiently quantifying hyperparameter importance in arbitrary
subspaces", IJCAI 2023; for parameters that are not always active: "Conditional PED-ANOVA", arXiv
2601.20800. The numbers are those of Optuna's PedAnovaImportanceEvaluator, which a test holds; that
one imports scikit-learn, and makes the density of all trials anew for every shuffle of the scores.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from autotune.space import Categorical, Int, Parameter
from autotune.trial import Scalar

__all__ = ["PedAnova"]

Array = NDArray[np.float64]
_STEPS = 50
"""Cells of a range."""
_FEWEST = 2
"""Trials in which a parameter is active, below which nothing is said of it."""


class PedAnova:
    def __init__(
        self,
        parameters: Mapping[str, Parameter],
        trials: Sequence[Mapping[str, Scalar]],
        quantile: float,
    ) -> None:
        """`trials`: the active values of each. `quantile`: the share of them that is the best."""
        self._quantile = quantile
        self._columns = {name: _Column(p, name, trials) for name, p in parameters.items()}

    def __call__(self, losses: Array) -> dict[str, float]:
        """The importance of each parameter, by one loss a trial, lower being better."""
        cut = math.ceil(self._quantile * len(losses)) - 1
        best = losses <= np.partition(losses, cut)[cut]
        share = float(best.mean())
        return {name: share**2 * column.divergence(best) for name, column in self._columns.items()}


class _Column:
    """One parameter over all trials."""

    def __init__(
        self, parameter: Parameter, name: str, trials: Sequence[Mapping[str, Scalar]]
    ) -> None:
        self._parameter = parameter
        self._active = np.array([name in trial for trial in trials])
        values = [trial[name] for trial in trials if name in trial]
        self._cells = _cells(parameter, values)
        self._count = _count(parameter)
        enough = len(values) >= _FEWEST and self._count > 1
        self._all = self._density(self._cells) if enough else None

    def divergence(self, best: NDArray[np.bool_]) -> float:
        """Pearson's, of the best trials from all, where the parameter is active."""
        own = self._cells[best[self._active]]
        if self._all is None or not len(own):
            return 0.0
        density = self._density(own)
        apart = float(self._all @ (density / self._all - 1) ** 2)
        among_best = len(own) / int(best.sum())
        return among_best**2 / float(self._active.mean()) * apart

    def _density(self, cells: NDArray[np.int64]) -> Array:
        """By cell: a Parzen estimate with a prior of the weight of one trial."""
        counts = np.bincount(cells, minlength=self._count)
        seen = np.flatnonzero(counts)
        weights = np.append(counts[seen], 1.0)
        if isinstance(self._parameter, Categorical):
            kernels = _choices(seen, self._count)
        else:
            kernels = _numbers(seen, counts[seen], self._count)
        return np.asarray(weights / weights.sum() @ kernels + 1e-12)


def _count(parameter: Parameter) -> int:
    """Cells on which a density is compared."""
    if isinstance(parameter, Categorical):
        return len(parameter.choices)
    if isinstance(parameter, Int) and parameter.log:
        return min(math.ceil(math.log2(parameter.high - parameter.low + 1)) + 1, _STEPS)
    step = parameter.step or (1 if isinstance(parameter, Int) else None)
    if step is None:
        return _STEPS
    return min(round((parameter.high - parameter.low) / step) + 1, _STEPS)


def _cells(parameter: Parameter, values: Sequence[Scalar]) -> NDArray[np.int64]:
    if isinstance(parameter, Categorical):
        return np.array([parameter.choices.index(value) for value in values], int)
    numbers, ends = np.array(values, float), np.array([parameter.low, parameter.high], float)
    if parameter.log:
        numbers, ends = np.log(numbers), np.log(ends)
    width = (ends[1] - ends[0]) / (_count(parameter) - 1)
    cells = np.ceil((numbers - ends[0]) / width - 0.5).astype(int)
    return np.asarray(np.clip(cells, 0, _count(parameter) - 1))


def _choices(seen: NDArray[np.int64], count: int) -> Array:
    """A kernel a row: most of its weight on one choice; the last row is the prior."""
    kernels = np.full((len(seen) + 1, count), 1 / (len(seen) + 1))
    kernels[np.arange(len(seen)), seen] += 1
    return np.asarray(kernels / kernels.sum(axis=1, keepdims=True))


def _numbers(seen: NDArray[np.int64], counts: NDArray[np.int64], count: int) -> Array:
    """Normal kernels, cut at the ends, of the width of Scott's rule; the last row is the prior."""
    upto, whole = np.cumsum(counts), int(counts.sum())
    mean = seen @ counts / whole
    std = math.sqrt((seen - mean) ** 2 @ counts / max(1, whole - 1))
    low = int(np.searchsorted(upto, whole // 4, side="left"))
    high = int(np.searchsorted(upto, whole * 3 // 4, side="right"))
    quartiles = seen[min(len(seen) - 1, high)] - seen[low]
    width = max(1.059 * min(quartiles / 1.34, std) * whole**-0.2, 0.5 / 1.64)
    middle = np.append(seen, (count - 1) / 2)[:, None]
    spread = np.append(np.full(len(seen), width), float(count))[:, None]
    edges = ndtr((np.arange(count + 1) - 0.5 - middle) / spread)
    return np.asarray(np.diff(edges, axis=1) / (edges[:, -1:] - edges[:, :1]))
