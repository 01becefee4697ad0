"""Every trial runs to its end."""

from typing import ClassVar, Literal

from autotune.schedule.base import Frame, SchedulerSettings, Stopping
from autotune.schedule.curves import Curves
from autotune.trial import Decision

__all__ = ["Never", "NoStopping"]


class NoStopping(SchedulerSettings):
    """No early stopping."""

    name: Literal["none"] = "none"
    several: ClassVar[bool] = True

    def build(self, frame: Frame) -> "Never":
        return Never(frame)

    @property
    def stops_early(self) -> bool:
        return False


class Never(Stopping):
    def decide(self, trial: int, step: int, curves: Curves) -> Decision:
        return Decision.CONTINUE
