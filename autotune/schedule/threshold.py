"""Stop a trial that is not good enough by a given step."""

from typing import Annotated, Literal

from pydantic import Field

from autotune.errors import Problem
from autotune.schedule.base import SchedulerSettings, Stopping, StudyContext, beyond
from autotune.schedule.curves import Curves
from autotune.trial import Decision

__all__ = ["Threshold", "ThresholdScheduler"]

Step = Annotated[int, Field(ge=1)]
Value = Annotated[float, Field(allow_inf_nan=False)]


class Threshold(SchedulerSettings):
    """Stop a trial whose objective has not reached a given value by a given step."""

    name: Literal["threshold"] = "threshold"
    value: Value = Field(examples=[0.5])
    """The required value of the objective, in its own units, at the first report from `by` on."""
    by: Step = 1
    """The step by which it is required."""

    def build(self, context: StudyContext) -> "ThresholdScheduler":
        return ThresholdScheduler(self, context)

    def check(self, context: StudyContext) -> list[Problem]:
        return beyond("by", self.by, context)


class ThresholdScheduler(Stopping):
    def __init__(self, config: Threshold, context: StudyContext) -> None:
        super().__init__(context)
        self.by = config.by
        self.loss = context.goal.loss(config.value)

    def decide(self, trial: int, step: int, curves: Curves) -> Decision:
        if step < self.by or self.at_end(step):
            return Decision.CONTINUE
        reached = min(loss for at, loss in curves[trial].items() if at <= step)
        return Decision.STOP if reached > self.loss else Decision.CONTINUE
