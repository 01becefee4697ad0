"""Asynchronous successive halving."""

from typing import ClassVar, Literal

from pydantic import Field

from autotune.errors import Problem
from autotune.schedule.base import SchedulerSettings, StudyContext, beyond
from autotune.schedule.successive_halving import Bracket, Eta, Form, SuccessiveHalvingScheduler

__all__ = ["Asha"]


class Asha(SchedulerSettings):
    """Only the best 1/eta of the trials that reached a rung continue to the next.

    L. Li et al., "A system for massively parallel hyperparameter tuning", MLSys 2020. `promotion`
    is its algorithm 2; `stopping` decides as Optuna's SuccessiveHalvingPruner. With several
    objectives, trials are ranked by Pareto fronts: R. Schmucker et al., "Multi-objective
    asynchronous successive halving", 2021.
    """

    name: Literal["asha"] = "asha"
    several: ClassVar[bool] = True
    form: Form = "stopping"
    """stopping: a trial in the best 1/eta of those that reached the rung before it continues at
    once, any other stops. promotion: a trial waits at its rung until it is in the best 1/eta, and
    continues from its checkpoint."""
    grace: int = Field(default=1, ge=1)
    """The first rung, in steps: no trial is stopped before it."""
    eta: Eta = 3
    """One in eta continues from a rung to the next, which stands at eta times its step."""

    def build(self, context: StudyContext) -> SuccessiveHalvingScheduler:
        bracket = Bracket(self.grace, self.eta, context.max_step, None)
        return SuccessiveHalvingScheduler([bracket], self.form, context)

    def check(self, context: StudyContext) -> list[Problem]:
        return beyond("grace", self.grace, context)
