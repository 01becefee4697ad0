"""Every trial runs to its end."""

from typing import ClassVar, Literal

from autotune.schedule.base import SchedulerSettings, Stopping, StudyContext
from autotune.schedule.curves import Curves
from autotune.trial import Decision

__all__ = ["Never", "NoStopping"]


class NoStopping(SchedulerSettings):
    """No early stopping."""

    name: Literal["none"] = "none"
    several: ClassVar[bool] = True

    def build(self, context: StudyContext) -> "Never":
        return Never(context)

    @property
    def stops_early(self) -> bool:
        return False


class Never(Stopping):
    def decide(self, trial: int, step: int, curves: Curves) -> Decision:
        return Decision.CONTINUE
