"""Expected improvement, and the search for the maximum of an acquisition."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

__all__ = ["Perturbation", "local_search", "log_improvement"]

Array = NDArray[np.float64]


def log_improvement(mean: Array, spread: Array, best: float) -> Array:
    """The log of the expected improvement on `best`, also accurate far from it.

    S. Ament et al., "Unexpected improvements to expected improvement", NeurIPS 2023.
    """
    z = (best - mean) / spread
    density = -0.5 * z**2 - 0.5 * np.log(2 * np.pi)
    near = np.exp(density) + z * np.exp(log_ndtr(z))
    # For z -> -inf: phi(z) + z Phi(z) = phi(z) / z^2 (1 - 3 / z^2 + ...).
    far = density - 2 * np.log(np.maximum(-z, 1.0)) + np.log1p(-3 / np.maximum(z**2, 25))
    return np.asarray(np.where(z > -10, np.log(np.maximum(near, 1e-300)), far) + np.log(spread))


class Perturbation:
    """Random changes of points; about two coordinates change each time."""

    def __init__(self, choices: NDArray[np.bool_], rng: np.random.Generator) -> None:
        self._choices = choices
        self._rng = rng

    def around(self, points: Array, count: int) -> Array:
        """`count` moves of random rows, each with a step size of its own: large ones explore, small
        ones refine, in every round."""
        rng = self._rng
        rows = points[rng.integers(len(points), size=count)]
        step = np.exp(rng.uniform(np.log(0.01), np.log(0.3), size=(count, 1)))
        chance = np.minimum(1.0, 2 / rows.shape[1])
        chosen = rng.random(rows.shape) < np.where(rng.random((count, 1)) < 0.5, chance, 0.5)
        chosen[np.arange(count), rng.integers(rows.shape[1], size=count)] = True
        # Points that leave the cube end on its wall, where the best often lies, such as weight
        # decay 0.
        moved = rows + step * rng.standard_normal(rows.shape)
        fresh = rng.random(rows.shape)
        values = np.where(self._choices, fresh, moved)
        return np.clip(np.where(chosen, values, rows), 0.0, np.nextafter(1.0, 0.0))


def local_search(
    value: Callable[[Array], Array], start: Array, moves: Perturbation, rounds: int
) -> tuple[Array, Array]:
    """`start` and the results of several rounds of moves from the five best rows, with their
    values."""
    points, values = start, value(start)
    # More moves a round in more dimensions: more rounds would cost twice as much for the same gain.
    count = max(60, 5 * start.shape[1])
    for _ in range(rounds):
        best = points[np.argsort(-values, kind="stable")[:5]]
        more = moves.around(best, count)
        points, values = np.concatenate([points, more]), np.concatenate([values, value(more)])
    return points, values
