"""What a scheduler is: it decides, from the curves alone, whether a trial goes on."""

from typing import Protocol

from pydantic import BaseModel, ConfigDict

from autotune.errors import Problem
from autotune.schedule.curves import Curves
from autotune.trial import Decision

__all__ = ["Scheduler", "SchedulerSettings"]


class Scheduler(Protocol):
    def decide(self, trial: int, step: int, curves: Curves) -> Decision:
        """What becomes of `trial` after its report at `step`, which is in `curves` already.

        `curves` holds the trials that reported anything, finished ones included; failed trials
        keep the steps they reached. A pure function: no memory, no clock.

            curves = Curves({6: {1: 0.9, 3: 0.2}, 7: {1: 0.8, 3: 0.7}})
            decide(7, 3, curves)  -> Decision.STOP
        """
        ...


class SchedulerSettings(BaseModel):
    """What the `schedule:` of a study may hold; each scheduler's own settings stand beside it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    def build(self, max_step: int | None) -> Scheduler:
        """`max_step` is the step at which a trial is complete; None: a trial ends by itself."""
        raise NotImplementedError

    def check(self, max_step: int | None) -> list[Problem]:
        """Which settings do not fit trials of `max_step` steps, found before anything starts."""
        return []

    @property
    def stops_early(self) -> bool:
        return True
