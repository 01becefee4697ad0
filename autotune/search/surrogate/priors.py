"""The user's priors as a density on the unit cube."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from autotune.search.encode import encode
from autotune.space import Categorical, Confidence, Parameter, Space

__all__ = ["Priors"]

Array = NDArray[np.float64]
_SPREAD = {"low": 0.3, "medium": 0.15, "high": 0.07}
"""Standard deviation by confidence, in units of a parameter's range."""
_ODDS = {"low": 2.0, "medium": 4.0, "high": 10.0}
"""Odds of the preferred choice against any other one."""


class Priors:
    """One factor for each parameter that has a `prior`; the default `confidence` is medium."""

    def __init__(self, space: Space) -> None:
        self.parameters = list(space.parameters.values())
        self.held = [i for i, p in enumerate(self.parameters) if _believed(p)]

    def __bool__(self) -> bool:
        return bool(self.held)

    def centre(self, units: Array) -> Array:
        """The priors' values, and the middle of every other range; choices without a prior are
        those of `units`."""
        moved = units.copy()
        for i, parameter in enumerate(self.parameters):
            if _believed(parameter):
                moved[:, i] = _centre(parameter)
            elif not isinstance(parameter, Categorical):
                moved[:, i] = 0.5
        return moved

    def bend(self, units: Array) -> Array:
        """Turns uniform coordinates into draws from the priors, by inverse distributions."""
        bent = units.copy()
        for i in self.held:
            bent[:, i] = _drawn(self.parameters[i], units[:, i])
        return np.clip(bent, 0.0, np.nextafter(1.0, 0.0))


def _believed(parameter: Parameter) -> bool:
    return parameter.prior is not None or (
        isinstance(parameter, Categorical) and parameter.confidence is not None
    )


def _confidence(parameter: Parameter) -> Confidence:
    return parameter.confidence or "medium"


def _centre(parameter: Parameter) -> float:
    if isinstance(parameter, Categorical):
        return (parameter.choices.index(parameter.prior) + 0.5) / len(parameter.choices)
    assert parameter.prior is not None
    return encode(parameter, float(parameter.prior))


def _drawn(parameter: Parameter, unit: Array) -> Array:
    middle = _centre(parameter)
    if isinstance(parameter, Categorical):
        count = len(parameter.choices)
        odds = np.ones(count)
        odds[int(middle * count)] = _ODDS[_confidence(parameter)]
        edges = np.concatenate([[0.0], np.cumsum(odds) / odds.sum()])
        return np.interp(unit, edges, np.linspace(0, 1, count + 1))
    spread = _SPREAD[_confidence(parameter)]
    low, high = ndtr(-middle / spread), ndtr((1 - middle) / spread)
    return np.asarray(middle + spread * ndtri(low + unit * (high - low)))
