"""The median stopping rule."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from autotune.errors import Problem
from autotune.schedule.base import SchedulerSettings
from autotune.schedule.curves import Curves
from autotune.trial import Decision

__all__ = ["Median", "MedianScheduler"]


class Median(SchedulerSettings):
    """Stop a trial whose best loss is worse than the median of complete trials at the same step.

    D. Golovin et al., "Google Vizier: a service for black-box optimization", KDD 2017; compared
    as Optuna's MedianPruner does.
    """

    name: Literal["median"] = "median"
    grace: int = Field(default=1, ge=1)
    """Steps that every trial gets; it may be stopped at its report of this step, not before."""
    startup: int = Field(default=5, ge=1)
    """Complete trials before any trial is stopped."""

    def build(self, max_step: int | None) -> "MedianScheduler":
        return MedianScheduler(self, max_step)

    def check(self, max_step: int | None) -> list[Problem]:
        return beyond(self.grace, max_step)


class MedianScheduler:
    """A trial counts as complete when it reached `max_step`.

    Where that is unknown (None), the trials that reported this step are the ones compared with.
    """

    def __init__(self, config: Median, max_step: int | None) -> None:
        self.config = config
        self.max_step = max_step

    def decide(self, trial: int, step: int, curves: Curves) -> Decision:
        if step < self.config.grace or (self.max_step is not None and step >= self.max_step):
            return Decision.CONTINUE
        needed = step if self.max_step is None else self.max_step
        complete = [c for number, c in curves.items() if number != trial and needed in c]
        rivals = [curve[step] for curve in complete if step in curve]
        if len(complete) < self.config.startup or not rivals:
            return Decision.CONTINUE
        best = min(loss for at, loss in curves[trial].items() if at <= step)
        return Decision.STOP if best > _median(rivals) else Decision.CONTINUE


def beyond(grace: int, max_step: int | None) -> list[Problem]:
    """`grace` must leave something to stop."""
    if max_step is None or grace < max_step:
        return []
    message = f"`schedule.grace` must be below the trial's {max_step} epochs, but got {grace}"
    return [Problem(message, ("schedule", "grace"))]


def _median(losses: Sequence[float]) -> float:
    ordered = sorted(losses)
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    # As numpy interpolates, to the last bit.
    return low if low == high else high - (high - low) * 0.5
