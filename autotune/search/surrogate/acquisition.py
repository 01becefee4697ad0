"""The acquisition of a full training: one objective or several, with constraints."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, logsumexp

from autotune.search.surrogate.acquisition_optimizer import log_improvement

__all__ = ["Acquisition", "log_hypervolume"]

Array = NDArray[np.float64]
Model = Callable[[Array], tuple[Array, Array]]
"""Feature rows -> mean and standard deviation of a score; lower is better."""
_NODES = np.linspace(0.0, 1.0, 20)[1:] ** 2
_REACH = 5.0


class Acquisition:
    """With one objective and a `beta`, the lower confidence bound (N. Srinivas et al., "Gaussian
    process optimization in the bandit setting", ICML 2010). Otherwise the log of the expected
    improvement plus that of the probability of feasibility (J. Gardner et al., "Bayesian
    optimization with inequality constraints", ICML 2014).

    `seen` holds a row of scores for each feasible complete trial; None while nothing is feasible:
    then the probability alone counts. `rng` draws the directions of several objectives.
    """

    DIRECTIONS = 16

    def __init__(
        self,
        models: Sequence[Model],
        objectives: int,
        rng: np.random.Generator,
        beta: float | None,
    ) -> None:
        """`models`: those of the `objectives`, then those of the constraints. `beta`: standard
        deviations below the mean; set if trials are stopped early, when mistakes are cheap."""
        self._objectives = models[:objectives]
        self._constraints = models[objectives:]
        drawn = np.abs(rng.standard_normal((self.DIRECTIONS, objectives)))
        self._directions = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
        self._beta = beta if len(models) == 1 else None
        self.seen: Array | None = None

    def __call__(self, features: Array) -> Array:
        chance = self._chance(features)
        if self.seen is None:
            return chance
        mean, spread = self.expected(features)
        if self._beta is not None:
            return np.asarray(self._beta * spread[:, 0] - mean[:, 0])
        if len(self._objectives) == 1:
            return log_improvement(mean[:, 0], spread[:, 0], float(self.seen.min())) + chance
        return log_hypervolume(mean, spread, self.seen, self._directions) + chance

    def expected(self, features: Array) -> tuple[Array, Array]:
        """Mean and standard deviation of the scores, a column an objective."""
        told = [model(features) for model in self._objectives]
        return np.stack([m for m, _ in told], axis=1), np.stack([s for _, s in told], axis=1)

    def order(self, features: Array) -> NDArray[np.int64]:
        """Rows by their expected final score, best first; with several objectives, the best in each
        direction in turn."""
        beta = -self._chance(features)
        if self.seen is None:
            return np.argsort(beta, kind="stable")
        mean, _ = self.expected(features)
        if len(self._objectives) == 1:
            return np.argsort(mean[:, 0] + beta, kind="stable")
        worst, span = _frame(mean)
        heights = ((worst - mean) / span)[:, None, :] / self._directions
        ranks = np.argsort(np.argsort(-heights.min(axis=2) + beta[:, None], axis=0), axis=0)
        return np.argsort(ranks.min(axis=1), kind="stable")

    def _chance(self, features: Array) -> Array:
        """The log of the probability that all constraints are satisfied."""
        total = np.zeros(len(features))
        for model in self._constraints:
            mean, spread = model(features)
            total += log_ndtr(-mean / spread)
        return total


def log_hypervolume(mean: Array, spread: Array, seen: Array, directions: Array) -> Array:
    """The log of the expected growth of the hypervolume that `seen` dominates, up to a constant,
    along rays from the reference point in `directions`.

    Along a ray a set dominates up to the largest `min((reference - y) / direction)` of its members;
    the mean over rays of the k-th power is its hypervolume (D. Golovin and Q. Zhang, "Random
    hypervolume scalarizations for provable multi-objective black box optimization", ICML 2020). For
    independent normal scores the probability to reach beyond t is a product; its integral over t
    beyond the present front is the expected growth.
    """
    worst, span = _frame(seen)
    reached = ((worst - seen) / span)[:, None, :] / directions
    start = np.maximum(reached.min(axis=2).max(axis=0), 0.0)[None, :]
    middle = ((worst - mean) / span)[:, None, :] / directions
    scale = (spread / span)[:, None, :] / directions
    # Beyond the nearest end of a factor the product is 0.
    end = (np.maximum(middle - start[..., None], 0.0) + _REACH * scale).min(axis=2)
    beyond = start[..., None] + end[..., None] * _NODES
    standing = (middle[..., None, :] - beyond[..., None]) / scale[..., None, :]
    weight = np.log(end[..., None] * np.gradient(_NODES))
    power = (seen.shape[1] - 1) * np.log(beyond)
    return np.asarray(logsumexp(log_ndtr(standing).sum(axis=3) + weight + power, axis=(1, 2)))


def _frame(points: Array) -> tuple[Array, Array]:
    """The reference point, a tenth of the span behind the worst of the Pareto set, and the span
    from there to its best; a single point gets the span of the scores."""
    behind = (points[:, None, :] >= points[None, :, :]).all(axis=2)
    behind &= (points[:, None, :] > points[None, :, :]).any(axis=2)
    front = points[~np.any(behind, axis=1)]
    best, worst = front.min(axis=0), front.max(axis=0)
    span = np.where(worst > best, worst - best, 1.0)
    return worst + 0.1 * span, worst + 0.1 * span - best
