"""What a scheduler is: it decides, from the curves alone, whether a trial goes on."""

from collections.abc import Mapping
from typing import Protocol

from autotune.trial import Decision

__all__ = ["Curves", "Scheduler"]

Curves = Mapping[int, Mapping[int, float]]
"""trial number -> step -> loss: lower is better whatever the objective's goal, never NaN."""


class Scheduler(Protocol):
    def decide(self, trial: int, step: int, curves: Curves) -> Decision:
        """What becomes of `trial` after its report at `step`, which is in `curves` already.

        `curves` holds the trials that reported anything, finished ones included; failed trials
        keep the steps they reached. A pure function: no memory, no clock.
        """
        ...
