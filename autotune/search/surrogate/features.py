"""Batches of points as coordinates of the unit cube and as features of a kernel."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from autotune.search.encode import encode
from autotune.space import Categorical, Condition, Float, Int, Parameter, Space
from autotune.trial import Scalar

__all__ = ["Features"]

Array = NDArray[np.float64]


class Features:
    """`block[j]` is the parameter of feature column j.

    Squared distances within a block: 1 for two different choices; the distance in the range for two
    numbers; 1/2 if one of them is inactive, whatever the other value; 0 if both are. An inactive
    parameter is the origin, its active values lie on an arc around it (the arc kernel of K. Swersky
    et al., "Raiders of the lost architecture", 2013).
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self.names = list(space.parameters)
        self.parameters = list(space.parameters.values())
        widths = [_width(p) for p in self.parameters]
        self.block = np.repeat(np.arange(len(widths)), widths)
        place = {name: i for i, name in enumerate(self.names)}
        self._conditions = [
            (i, place[condition.parent], condition, _table(condition, space.parameters))
            for i, parameter in enumerate(self.parameters)
            for condition in parameter.when
        ]

    def units(self, params: Mapping[str, Scalar]) -> Array:
        """The coordinates of one point; 1/2 for inactive parameters."""
        pairs = zip(self.names, self.parameters, strict=True)
        return np.array([_unit(p, params[n]) if n in params else 0.5 for n, p in pairs])

    def of(self, units: Array) -> Array:
        """The features of rows of the unit cube, each snapped to the value it decodes to."""
        active = self.active(units)
        blocks = [_features(p, units[:, i], active[:, i]) for i, p in enumerate(self.parameters)]
        return np.concatenate(blocks, axis=1)

    def active(self, units: Array) -> NDArray[np.bool_]:
        """Which parameters are active in each row."""
        active = np.ones(units.shape, dtype=bool)
        for i, parent, condition, table in self._conditions:
            if table is not None:
                held = table[_cells(units[:, parent], len(table))]
            else:
                values = map(self.parameters[parent].decode, units[:, parent].tolist())
                held = np.array([condition.holds(value) for value in values], dtype=bool)
            active[:, i] &= active[:, parent] & held
        return active


def _width(parameter: Parameter) -> int:
    if isinstance(parameter, Categorical):
        return len(parameter.choices)
    return 2 if parameter.when else 1


def _unit(parameter: Parameter, value: Scalar) -> float:
    if isinstance(parameter, Categorical):
        return (parameter.choices.index(value) + 0.5) / len(parameter.choices)
    return encode(parameter, float(value))  # type: ignore[arg-type]


def _features(parameter: Parameter, unit: Array, active: NDArray[np.bool_]) -> Array:
    if isinstance(parameter, Categorical):
        cells = _cells(unit, len(parameter.choices))
        hot = np.eye(len(parameter.choices))[cells] * np.sqrt(0.5)
        return np.asarray(hot * active[:, None])
    snapped = _snapped(parameter, unit)
    if not parameter.when:
        return snapped[:, None]
    # The chord between the ends of this arc is 1, and its radius the root of 1/2.
    angle = snapped * np.pi / 2
    arc = np.stack([np.cos(angle), np.sin(angle)], axis=1) * np.sqrt(0.5)
    return np.asarray(arc * active[:, None])


def _snapped(parameter: Float | Int, unit: Array) -> Array:
    if isinstance(parameter, Int) and parameter.log:
        low, high = np.log(parameter.low - 0.5), np.log(parameter.high + 0.5)
        values = np.clip(np.rint(np.exp(low + unit * (high - low))), parameter.low, parameter.high)
        return np.asarray((np.log(values) - low) / (high - low))
    if isinstance(parameter, Int) or parameter.step is not None:
        count = round((parameter.high - parameter.low) / (parameter.step or 1)) + 1
        return np.asarray((_cells(unit, count) + 0.5) / count)
    return unit


def _cells(unit: Array, count: int) -> NDArray[np.int64]:
    return np.minimum((unit * count).astype(np.int64), count - 1)


def _table(condition: Condition, parameters: Mapping[str, Parameter]) -> NDArray[np.bool_] | None:
    """For each choice of the parent, whether the condition holds; None if the parent is a
    number."""
    parent = parameters[condition.parent]
    if not isinstance(parent, Categorical):
        return None
    return np.array([condition.holds(choice) for choice in parent.choices])
