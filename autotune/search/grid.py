"""Every active combination once, in the order of the space, the last parameter fastest."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from autotune.errors import Problem
from autotune.search.base import SamplerSettings
from autotune.space import Float, Space
from autotune.trial import Goal, Scalar, Trial

__all__ = ["Grid", "GridSampler"]


class Grid(SamplerSettings):
    """All combinations; the study ends after the last one. Floats need `step` or `points`."""

    name: Literal["grid"] = "grid"
    several: ClassVar[bool] = True
    constrained: ClassVar[bool] = True

    def build(self, space: Space, goal: Goal, seed: int) -> "GridSampler":
        return GridSampler(space)

    def check(self, space: Space) -> list[Problem]:
        return [
            Problem(
                f"grid search needs a finite number of values, but {name!r} is a range of floats; "
                "give it `points: 5` or a `step`, or choose another sampler",
                ("space", name),
            )
            for name, parameter in space.parameters.items()
            if isinstance(parameter, Float) and parameter.grid() is None
        ]


class GridSampler:
    """Proposes the first combination that no trial has, whatever the outcome of the trials."""

    def __init__(self, space: Space) -> None:
        self.space = space

    def propose(self, trials: Sequence[Trial], number: int) -> dict[str, Scalar] | None:
        tried = {_key(trial.params) for trial in trials}
        return next((c for c in self.space.combinations() if _key(c) not in tried), None)


def _key(params: Mapping[str, Scalar]) -> frozenset[tuple[str, type, Scalar]]:
    # The type distinguishes True from 1, which are equal in Python.
    return frozenset((name, type(value), value) for name, value in params.items())
