"""Every trial runs to its end."""

from typing import Literal

from autotune.schedule.base import SchedulerSettings
from autotune.schedule.curves import Curves
from autotune.trial import Decision

__all__ = ["Never", "NoStopping"]


class NoStopping(SchedulerSettings):
    """No early stopping."""

    name: Literal["none"] = "none"

    def build(self, max_step: int | None) -> "Never":
        return Never()

    @property
    def stops_early(self) -> bool:
        return False


class Never:
    def decide(self, trial: int, step: int, curves: Curves) -> Decision:
        return Decision.CONTINUE
