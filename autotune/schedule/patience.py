"""Stop a trial that no longer gets better."""

from typing import Literal

from pydantic import Field

from autotune.errors import Problem
from autotune.schedule.base import SchedulerSettings, Stopping, StudyContext, beyond
from autotune.schedule.curves import Curves
from autotune.trial import Decision

__all__ = ["Patience", "PatienceScheduler"]


class Patience(SchedulerSettings):
    """Stop a trial whose best loss is `steps` steps old, whatever the others do.

    L. Prechelt, "Early stopping - but when?", 1998 (its criterion UP, on the best step).
    """

    name: Literal["patience"] = "patience"
    steps: int = Field(default=5, ge=1)
    """Steps without a new best before a trial stops."""
    margin: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """A new best is better by more than this, in units of the objective."""
    grace: int = Field(default=1, ge=1)
    """Steps that every trial gets; it may be stopped at its report of this step at the earliest."""

    def build(self, context: StudyContext) -> "PatienceScheduler":
        return PatienceScheduler(self, context)

    def check(self, context: StudyContext) -> list[Problem]:
        steps = beyond("steps", self.steps, context)
        return steps + beyond("grace", self.grace, context)


class PatienceScheduler(Stopping):
    def __init__(self, config: Patience, context: StudyContext) -> None:
        super().__init__(context)
        self.config = config

    def decide(self, trial: int, step: int, curves: Curves) -> Decision:
        if step < self.config.grace or self.at_end(step):
            return Decision.CONTINUE
        best: tuple[int, float] | None = None
        for at, loss in sorted(curves[trial].items()):
            if at <= step and (best is None or loss < best[1] - self.config.margin):
                best = at, loss
        assert best is not None, "the report at `step` is among them"
        return Decision.STOP if step - best[0] >= self.config.steps else Decision.CONTINUE
