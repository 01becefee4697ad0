"""Asynchronous successive halving, in its stopping form."""

from bisect import bisect_left
from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from autotune.errors import Problem
from autotune.schedule.base import SchedulerSettings
from autotune.schedule.curves import Curves
from autotune.schedule.median import beyond
from autotune.trial import Decision

__all__ = ["Asha", "AshaScheduler"]


class Asha(SchedulerSettings):
    """Stop a trial that is not in the best 1/eta of those that reached the same rung.

    L. Li et al., "A system for massively parallel hyperparameter tuning", MLSys 2020; decided as
    Optuna's SuccessiveHalvingPruner does.
    """

    name: Literal["asha"] = "asha"
    grace: int = Field(default=1, ge=1)
    """The first rung, in steps: no trial is stopped before it."""
    eta: int | float = Field(default=3, gt=1, le=1000)
    """One in eta goes on from a rung to the next, which stands at eta times its step."""

    def build(self, max_step: int | None) -> "AshaScheduler":
        return AshaScheduler(self, max_step)

    def check(self, max_step: int | None) -> list[Problem]:
        return beyond(self.grace, max_step)


class AshaScheduler:
    """Rungs at grace * eta^k, below `max_step`: a trial at its last step is complete, not stopped.

    A trial's loss at a rung is that of its first report at or after it. A report that passes
    several rungs is compared at each of them with all trials that came as far.
    """

    def __init__(self, config: Asha, max_step: int | None) -> None:
        self.config = config
        self.max_step = max_step

    def decide(self, trial: int, step: int, curves: Curves) -> Decision:
        if self.max_step is not None and step >= self.max_step:
            return Decision.CONTINUE
        own = curves[trial]
        before = max((at for at in own if at < step), default=0)
        for rung in self._rungs(before, step):
            if not self._in_best(own[step], curves.rung(rung).ranked):
                return Decision.STOP
        return Decision.CONTINUE

    def _rungs(self, after: int, upto: int) -> Iterator[int]:
        """The rungs in (after, upto]."""
        power, rung = 0, self.config.grace
        while rung <= upto:
            if rung > after:
                yield rung
            power += 1
            rung = max(rung + 1, round(self.config.grace * self.config.eta**power))

    def _in_best(self, loss: float, ranked: list[tuple[float, int]]) -> bool:
        """Whether `loss`, one of `ranked`, is in its best 1/eta, or the best of a few."""
        going_on = max(1, int(len(ranked) // self.config.eta))
        return bisect_left(ranked, (loss, -1)) < going_on
