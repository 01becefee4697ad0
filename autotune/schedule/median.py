"""The median stopping rule."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from autotune.errors import Problem
from autotune.schedule.base import SchedulerSettings, Stopping, StudyContext, beyond
from autotune.schedule.curves import Curves
from autotune.trial import Decision

__all__ = ["Median", "MedianScheduler"]


class Median(SchedulerSettings):
    """Stop a trial whose best loss is worse than the median of complete trials at the same step.

    D. Golovin et al., "Google Vizier: a service for black-box optimization", KDD 2017; compares as
    Optuna's MedianPruner.
    """

    name: Literal["median"] = "median"
    grace: int = Field(default=1, ge=1)
    """Steps that every trial gets; it may be stopped at its report of this step at the earliest."""
    startup: int = Field(default=5, ge=1)
    """Complete trials before any trial is stopped."""

    def build(self, context: StudyContext) -> "MedianScheduler":
        return MedianScheduler(self, context)

    def check(self, context: StudyContext) -> list[Problem]:
        return beyond("grace", self.grace, context)


class MedianScheduler(Stopping):
    """A trial counts as complete when it reached `max_step`. If that is unknown (None), the trials
    that reported this step are compared."""

    def __init__(self, config: Median, context: StudyContext) -> None:
        super().__init__(context)
        self.config = config

    def decide(self, trial: int, step: int, curves: Curves) -> Decision:
        if step < self.config.grace or self.at_end(step):
            return Decision.CONTINUE
        needed = step if self.max_step is None else self.max_step
        whole = [n for n in curves.rung(needed).losses if n != trial and needed in curves[n]]
        rivals = [curves[number][step] for number in whole if step in curves[number]]
        if len(whole) < self.config.startup or not rivals:
            return Decision.CONTINUE
        best = min(loss for at, loss in curves[trial].items() if at <= step)
        return Decision.STOP if best > _median(rivals) else Decision.CONTINUE


def _median(losses: Sequence[float]) -> float:
    ordered = sorted(losses)
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    # As numpy interpolates, to the last bit.
    return low if low == high else high - (high - low) * 0.5
