"""Rungs at grace * eta^k and promotion between them; shared by asha and hyperband."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator
from pydantic import Field as Limits

from autotune.schedule.base import StudyContext
from autotune.schedule.curves import Curves, Group
from autotune.schedule.state import Action, NewTrial, Resume, SchedulerState
from autotune.trial import Decision, Scalar

__all__ = ["Bracket", "Eta", "Form", "SuccessiveHalvingScheduler", "rungs"]

Form = Literal["stopping", "promotion"]
Eta = Annotated[
    float,
    Limits(gt=1, le=1000),
    AfterValidator(lambda eta: int(eta) if eta.is_integer() else eta),  # as a user writes it
]


def rungs(grace: int, eta: float, after: int = 0) -> Iterator[int]:
    """The rungs above step `after`, without end."""
    power, rung = 0, grace
    while True:
        if rung > after:
            yield rung
        power += 1
        rung = max(rung + 1, round(grace * eta**power))


class Bracket:
    """Rungs below `max_step`, on which the trials of `group` (None: all) are compared.

    A trial's loss at a rung is that of its first report at or after it. A report that passes
    several rungs is compared at each of them with all trials that came as far.
    """

    def __init__(self, grace: int, eta: float, max_step: int | None, group: Group | None) -> None:
        self.grace, self.eta, self.max_step, self.group = grace, eta, max_step, group

    def passed(self, trial: int, step: int, curves: Curves) -> list[int]:
        """The rungs that the trial's report at `step` is the first to reach."""
        before = max((at for at in curves[trial] if at < step), default=0)
        found: list[int] = []
        for rung in rungs(self.grace, self.eta, before):
            if rung > step or (self.max_step is not None and rung >= self.max_step):
                return found
            found.append(rung)
        return found

    def above(self, step: int) -> int | None:
        """The next rung, or the end."""
        rung = next(rungs(self.grace, self.eta, step))
        return rung if self.max_step is None else min(rung, self.max_step)

    def stops(self, trial: int, rung: int, curves: Curves) -> bool:
        """Whether it is neither in the best 1/eta at the rung nor the best of a few."""
        standing = curves.rung(rung, self.group)
        return standing.place(trial) >= max(1, int(len(standing.ranked) // self.eta))

    def promotes(self, state: SchedulerState, step: int) -> int | None:
        """Which of the trials paused at `step` continues."""
        paused = state.paused.at(step, self.group)
        if not paused:
            return None
        rung = max(self.passed(paused[0][1], step, state.curves))
        standing = state.curves.rung(rung, self.group)
        place, trial = standing.first(paused)
        going_on = int(len(standing.ranked) // self.eta)
        # At the end of a study the best of a few continues as well, so that some trial is complete.
        return trial if place < (max(1, going_on) if state.closing else going_on) else None


class SuccessiveHalvingScheduler:
    """One bracket or several; every trial belongs to one. stopping: at a rung a trial stops or
    continues at once. promotion: at a rung every trial pauses, and a free worker continues the one
    on the highest rung that is in the best 1/eta there, or starts a new one."""

    def __init__(self, brackets: list[Bracket], form: Form, context: StudyContext) -> None:
        self.brackets, self.form, self.max_step = brackets, form, context.max_step

    def decide(self, trial: int, step: int, curves: Curves) -> Decision:
        if self.max_step is not None and step >= self.max_step:
            return Decision.CONTINUE
        bracket = self._of(trial)
        passed = bracket.passed(trial, step, curves)
        if self.form == "promotion":
            return Decision.PAUSE if passed else Decision.CONTINUE
        poor = any(bracket.stops(trial, rung, curves) for rung in passed)
        return Decision.STOP if poor else Decision.CONTINUE

    def next_action(self, state: SchedulerState) -> Action:
        for step in reversed(state.paused.steps):
            for bracket in self.brackets:
                if (trial := bracket.promotes(state, step)) is not None:
                    return Resume(trial)
        return NewTrial()

    def until(self, trial: int, step: int) -> int | None:
        return self.max_step if self.form == "stopping" else self._of(trial).above(step)

    def perturb(self, params: dict[str, Scalar], seed: int) -> dict[str, Scalar]:
        raise NotImplementedError("it never answers Clone")

    def _of(self, trial: int) -> Bracket:
        return next(
            bracket for bracket in self.brackets if bracket.group is None or bracket.group(trial)
        )
