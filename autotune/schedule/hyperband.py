"""Hyperband: successive halving with several first rungs at once."""

from bisect import bisect_right
from functools import partial
from itertools import accumulate, takewhile
from math import ceil
from typing import ClassVar, Literal

from pydantic import Field

from autotune.errors import Problem
from autotune.schedule.base import SchedulerSettings, StudyContext, beyond
from autotune.schedule.successive_halving import (
    Bracket,
    Eta,
    Form,
    SuccessiveHalvingScheduler,
    rungs,
)

__all__ = ["Hyperband"]

_GOLDEN = (5**0.5 - 1) / 2


class Hyperband(SchedulerSettings):
    """Trials are divided among brackets, each an asha: the first begins to stop at `grace`, the
    next eta times later, the last never. A hedge against learning curves that cross.

    L. Li et al., "Hyperband", JMLR 2018; asynchronous as in MLSys 2020, section on brackets. A
    trial's number decides its bracket, in the proportions of the paper.
    """

    name: Literal["hyperband"] = "hyperband"
    several: ClassVar[bool] = True
    form: Form = "stopping"
    """As in asha."""
    grace: int = Field(default=1, ge=1)
    """The first rung of the first bracket, in steps: no trial is stopped before it."""
    eta: Eta = 3
    """One in eta continues from a rung to the next, which stands at eta times its step."""

    def build(self, context: StudyContext) -> SuccessiveHalvingScheduler:
        assert context.max_step is not None, "refused by check"
        upto = context.max_step
        # The last bracket's only rung is the end, so it stops no trial.
        firsts = [*takewhile(lambda rung: rung < upto, rungs(self.grace, self.eta)), upto]
        ends = _shares(len(firsts), self.eta)
        groups = [partial(_is_in, bracket, ends) for bracket in range(len(firsts))]
        brackets = [
            Bracket(first, self.eta, upto, group)
            for first, group in zip(firsts, groups, strict=True)
        ]
        return SuccessiveHalvingScheduler(brackets, self.form, context)

    def check(self, context: StudyContext) -> list[Problem]:
        if context.max_step is None:
            rule = "hyperband needs `trial.epochs`, from which its brackets follow; or choose asha"
            return [Problem(rule, ("schedule", "name"))]
        return beyond("grace", self.grace, context)


def _shares(brackets: int, eta: float) -> list[float]:
    """Where the brackets end if trials are spread over [0, 1): in the proportions of the paper."""
    last = brackets - 1
    counts = [ceil(brackets / (s + 1) * eta**s) for s in range(last, -1, -1)]
    return [total / sum(counts) for total in accumulate(counts)]


def _is_in(bracket: int, ends: list[float], trial: int) -> bool:
    place = (trial + 1) * _GOLDEN % 1.0  # evenly spread, however many trials there are
    return min(bisect_right(ends, place), len(ends) - 1) == bracket
