"""The configuration that a user would begin with: the centre of the priors."""

import math
from collections.abc import Mapping

import numpy as np

from autotune.search.encode import encode
from autotune.search.surrogate.priors import Priors
from autotune.space import Categorical, Parameter, Space
from autotune.trial import Scalar

__all__ = ["default_params", "priors_centre"]

_CLOSE = 1e-6


def priors_centre(space: Space, params: Mapping[str, Scalar]) -> tuple[bool, bool]:
    """Whether `params` are the priors' centre, and whether any of them is believed in: without a
    prior the centre of a range is its middle, and any choice is as good."""
    centre = default_params(space, params)
    same = all(_same(space.parameters[name], centre.get(name), params[name]) for name in params)
    return same, any(_believed(space.parameters[name]) for name in params)


def default_params(space: Space, choices: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """The priors' centre; where nothing is believed of a choice, it is that of `choices`."""
    units = np.array([[_unit(p, choices.get(n)) for n, p in space.parameters.items()]])
    return space.decode(Priors(space).centre(units)[0].tolist())


def _unit(parameter: Parameter, value: Scalar) -> float:
    if isinstance(parameter, Categorical) and value in parameter.choices:
        return (parameter.choices.index(value) + 0.5) / len(parameter.choices)
    return 0.5


def _believed(parameter: Parameter) -> bool:
    return parameter.prior is not None or parameter.confidence is not None


def _same(parameter: Parameter, a: Scalar, b: Scalar) -> bool:
    if isinstance(parameter, Categorical) or a is None or b is None:
        return a == b
    return math.isclose(encode(parameter, float(a)), encode(parameter, float(b)), abs_tol=_CLOSE)
