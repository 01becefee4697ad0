"""COCO's mixed-integer functions: one evaluation is one training, so nothing can be stopped early.

T. Tušar, D. Brockhoff and N. Hansen, "Mixed-integer benchmark problems for single- and
bi-objective optimization", GECCO 2019: the 24 noiseless functions of BBOB, four fifths of the
variables made integers with 2, 4, 8 or 16 values. Instance 1 of each, from coco-experiment.
"""

import functools
import random
from collections.abc import Mapping
from typing import Any

import numpy as np

from autotune.space import Space
from autotune.trial import Scalar
from benchmarks.search.task import Curve, Reference

__all__ = ["OPTIMA", "TASKS", "Mixint"]

OPTIMA = (
    *(79.48, -0.20988, -46.209, -46.209, -9.21, 0.359, 92.94, 1.4915),
    *(1.2383, -0.05494, 0.7627, -0.062111, 2.997, -52.35, 100.0, 71.35),
    *(-169.4, -16.94, -1025.5, -54.65, 40.78, -1000.0, 68.7, 10.261),
)
"""The lowest loss of each function, the same in every dimension."""

TASKS: Mapping[str, tuple[int, int]] = {
    f"mixint-f{function:02}-d{dimension}": (function, dimension)
    for dimension in (5, 20)
    for function in range(1, len(OPTIMA) + 1)
}
"""Function and dimension by name."""


class Mixint:
    """One task. Each evaluation costs 1."""

    epochs = 1

    def __init__(self, name: str) -> None:
        import cocoex

        self.name = name
        self._function, dimension = TASKS[name]
        only = f"dimensions: {dimension} function_indices: {self._function} instance_indices: 1"
        self._suite = cocoex.Suite("bbob-mixint", "", only)  # its problems live as long as it does
        self._problem = self._suite[0]
        bounds = zip(self._problem.lower_bounds, self._problem.upper_bounds, strict=True)
        integers = self._problem.number_of_integer_variables
        self.space = Space.parse(
            {
                f"x{place:02}": _parameter(place < integers, float(low), float(high))
                for place, (low, high) in enumerate(bounds)
            }
        )

    @functools.cached_property
    def reference(self) -> Reference:
        rng = random.Random(0)
        losses = [self._loss(self.space.sample(rng)) for _ in range(1000)]
        return Reference(OPTIMA[self._function - 1], float(np.median(losses)), 1.0)

    def curve(self, params: Mapping[str, Scalar]) -> Curve:
        return Curve((self._loss(params),), (1.0,))

    def _loss(self, params: Mapping[str, Scalar]) -> float:
        return float(self._problem([float(params[name]) for name in self.space.parameters]))  # type: ignore[arg-type]


def _parameter(integer: bool, low: float, high: float) -> dict[str, Any]:
    if integer:
        return {"type": "int", "low": int(low), "high": int(high)}
    return {"type": "float", "low": low, "high": high}
