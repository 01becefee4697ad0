"""Values as coordinates of the unit cube: the inverse of a parameter's `decode`."""

import math

from autotune.space import Float, Int

__all__ = ["encode"]


def encode(parameter: Float | Int, value: float) -> float:
    """Where `value` lies between low (0) and high (1); the middle of its cell on a grid."""
    low, high = float(parameter.low), float(parameter.high)
    if isinstance(parameter, Int) and parameter.log:
        low, high = low - 0.5, high + 0.5
    elif parameter.step is not None or isinstance(parameter, Int):
        step = float(parameter.step or 1)
        low, high = low - step / 2, high + step / 2
    if parameter.log:
        return math.log(value / low) / math.log(high / low)
    return (value - low) / (high - low)
