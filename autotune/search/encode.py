"""Values as coordinates of the unit cube (the inverse of `decode`), and rounding of values."""

import math

from autotune.space import Categorical, Float, Int, Parameter
from autotune.trial import Scalar

__all__ = ["encode", "snap"]


def encode(parameter: Float | Int, value: float) -> float:
    """The position of `value` between low (0) and high (1); the middle of its cell on a grid."""
    low, high = float(parameter.low), float(parameter.high)
    if isinstance(parameter, Int) and parameter.log:
        low, high = low - 0.5, high + 0.5
    elif parameter.step is not None or isinstance(parameter, Int):
        step = float(parameter.step or 1)
        low, high = low - step / 2, high + step / 2
    if parameter.log:
        return math.log(value / low) / math.log(high / low)
    return (value - low) / (high - low)


def snap(parameter: Parameter, value: Scalar) -> Scalar:
    """`value` as an exact value of `parameter`, which it is except for rounding: a given choice, a
    whole number or a float, inside the range and on the grid."""
    if isinstance(parameter, Categorical):
        return next((choice for choice in parameter.choices if choice == value), value)
    assert isinstance(value, (int, float)), "a range holds numbers"
    if parameter.step is not None:
        return parameter.decode(encode(parameter, value))
    inside = min(max(value, parameter.low), parameter.high)
    return float(inside) if isinstance(parameter, Float) else inside
