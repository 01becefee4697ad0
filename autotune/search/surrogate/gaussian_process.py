"""A Gaussian process over features and fidelities, fitted by maximum a posteriori."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize

__all__ = ["Data", "Hyperparameters", "Posterior", "fit"]

Array = NDArray[np.float64]
_ROOT5 = 5**0.5
_JITTER = 1e-6
_MEAN = 1.0
"""Variance of the constant mean."""


@dataclass(frozen=True, slots=True)
class Data:
    """Observations: feature rows, the place of each fidelity from 0 to 1, the score, and the study:
    0 is the present one."""

    features: Array
    place: Array
    score: Array
    study: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """Logarithms of the hyperparameters: the inverse squared length of each parameter; `fidelity`,
    the inverse length along fidelities; `scale`, a variance; the noise variances `noise` below the
    last fidelity and `last` at it; `task_distance`, how far two studies are apart."""

    weights: Array
    fidelity: float
    scale: float
    noise: float
    last: float
    task_distance: float

    @classmethod
    def unpack(cls, flat: Array) -> "Hyperparameters":
        weights, rest = flat[:-5], flat[-5:].tolist()
        return cls(weights, *rest)

    def noises(self, place: Array) -> Array:
        return np.asarray(np.exp(np.where(place < 1, self.noise, self.last))) + _JITTER


def _prior(parameters: int) -> tuple[Array, Array]:
    """Means and standard deviations of the normal priors on the logarithms.

    Lengths grow with the root of the number of parameters (C. Hvarfner et al., "Vanilla Bayesian
    optimization performs great in high dimensions", ICML 2024). Trials of two studies are
    correlated by exp(-exp(task_distance)), 0.7 a priori, as tasks in K. Swersky et al., "Multi-task
    Bayesian optimization", NeurIPS 2013.
    """
    length = 0.5 * np.log(parameters) - 0.3
    mean = np.array([-2 * length] * parameters + [0.0, 0.0, np.log(1e-2), np.log(1e-3), -1.0])
    spread = np.array([1.5] * parameters + [1.0, 0.7, 1.5, 1.5, 1.0])
    return mean, spread


def fit(data: Data, block: NDArray[np.int64]) -> Hyperparameters:
    """The most probable hyperparameters. The start is always the same, so the result depends on the
    data alone."""
    count = int(block.max()) + 1
    mean, spread = _prior(count)

    def loss(flat: Array) -> tuple[float, Array]:
        value, gradient = _likelihood(flat, data, block)
        off = (flat - mean) / spread
        return value + float(off @ off) / 2, gradient + off / spread

    bounds = [(m - 4 * s, m + 4 * s) for m, s in zip(mean, spread, strict=True)]
    found = minimize(
        loss, mean, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 40}
    )
    return Hyperparameters.unpack(found.x)


def _likelihood(flat: Array, data: Data, block: NDArray[np.int64]) -> tuple[float, Array]:
    """The negative log marginal likelihood, and its gradient."""
    hyper = Hyperparameters.unpack(flat)
    scaled = data.features * np.exp(hyper.weights / 2)[block]
    root = np.sqrt(_squares(scaled, scaled))
    apart = np.abs(data.place[:, None] - data.place[None, :]) * np.exp(hyper.fidelity)
    other = data.study[:, None] != data.study[None, :]
    foreign = other * np.exp(hyper.task_distance)
    shape, decay = _matern(root), np.exp(-apart - foreign)
    kernel = np.exp(hyper.scale) * shape * decay
    count = len(data.score)
    noises = hyper.noises(data.place)
    lower = cholesky(kernel + _MEAN * ~other + np.diag(noises), lower=True, check_finite=False)
    alpha = cho_solve((lower, True), data.score, check_finite=False)
    value = data.score @ alpha / 2 + np.log(np.diag(lower)).sum()
    inner = (
        cho_solve((lower, True), np.eye(count), check_finite=False) - np.outer(alpha, alpha)
    ) / 2
    # d kernel / d squared distance, times the squared distance of each feature.
    slope = inner * np.exp(hyper.scale) * decay * (-5 / 6) * (1 + _ROOT5 * root)
    slope *= np.exp(-_ROOT5 * root)
    sums = slope.sum(axis=1)
    each = 2 * (sums @ scaled**2) - 2 * np.einsum("ij,ij->j", scaled, slope @ scaled)
    weights = np.bincount(block, each, minlength=len(hyper.weights))
    product = inner * kernel
    rest = [-(product * apart).sum(), product.sum(), *_noise_gradient(inner, noises, data.place)]
    return float(value), np.concatenate([weights, rest, [-(product * foreign).sum()]])


def _noise_gradient(inner: Array, noises: Array, place: Array) -> tuple[float, float]:
    each = np.diag(inner) * noises
    return float(each[place < 1].sum()), float(each[place >= 1].sum())


def _squares(a: Array, b: Array) -> Array:
    squares = (a**2).sum(1)[:, None] + (b**2).sum(1)[None, :] - 2 * a @ b.T
    return np.asarray(np.maximum(squares, 0.0))


def _matern(root: Array) -> Array:
    return np.asarray((1 + _ROOT5 * root + 5 / 3 * root**2) * np.exp(-_ROOT5 * root))


class Posterior:
    """The posterior given `data`.

    `pending` rows (features) are running full trainings: each is assumed to end as predicted, which
    keeps the mean and removes the uncertainty around it (kriging believer: D. Ginsbourger et al.,
    2010).
    """

    def __init__(
        self, data: Data, hyper: Hyperparameters, block: NDArray[np.int64], pending: Array
    ) -> None:
        self._root_weights = np.exp(hyper.weights / 2)[block]
        self._hyper = hyper
        self._scaled = np.concatenate([data.features, pending]) * self._root_weights
        self._place = np.concatenate([data.place, np.ones(len(pending))])
        self._study = np.concatenate([data.study, np.zeros(len(pending), int)])
        self._seen = len(data.score)
        kernel = self._kernel(self._scaled, self._place, self._study)
        kernel[np.diag_indices_from(kernel)] += hyper.noises(self._place)
        self._lower = cholesky(kernel, lower=True, check_finite=False)
        lower = self._lower[: self._seen, : self._seen]
        self._alpha = cho_solve((lower, True), data.score, check_finite=False)

    def _kernel(self, scaled: Array, place: Array, study: NDArray[np.int64]) -> Array:
        root = np.sqrt(_squares(scaled, self._scaled))
        apart = np.abs(place[:, None] - self._place[None, :]) * np.exp(self._hyper.fidelity)
        other = study[:, None] != self._study[None, :]
        apart += other * np.exp(self._hyper.task_distance)
        return np.asarray(_MEAN * ~other + np.exp(self._hyper.scale - apart) * _matern(root))

    def __call__(self, features: Array, place: float = 1.0) -> tuple[Array, Array]:
        """Mean and standard deviation of the score at `place`, without noise."""
        here, own = np.full(len(features), place), np.zeros(len(features), int)
        cross = self._kernel(features * self._root_weights, here, own)
        mean = cross[:, : self._seen] @ self._alpha
        half = solve_triangular(self._lower, cross.T, lower=True, check_finite=False)
        variance = _MEAN + np.exp(self._hyper.scale) - (half**2).sum(axis=0)
        return mean, np.sqrt(np.maximum(variance, 1e-12))
