"""The trials' learning curves, pauses, and the scheduler's decisions.

Derived from the journal like everything else: a study that starts again rebuilds it.
"""

import math
from collections.abc import Mapping

from autotune.schedule import Curves, SchedulerSettings
from autotune.schedule.state import Action, Paused, SchedulerState
from autotune.search.base import derive
from autotune.spec import Scoring, StudySpec
from autotune.study.journal.journal import Run
from autotune.train.config import is_own
from autotune.trial import Decision, Purpose, Scalar, State

__all__ = ["TrialScheduling"]


class TrialScheduling:
    def __init__(self, spec: StudySpec, config: SchedulerSettings) -> None:
        self._spec = spec
        self._end = spec.context.max_step
        self._own = is_own(spec.trial)
        self._scheduler = config.build(spec.context)
        self._curves = Curves()
        self._paused = Paused()
        self._running: dict[int, int] = {}
        self._begun = 0

    @property
    def paused(self) -> list[int]:
        return sorted(self._paused)

    @property
    def idle(self) -> bool:
        """No trial is running, or waits to be handed out again."""
        return not self._running

    def enter(self, run: Run) -> None:
        """Adds a run that is journaled already, or begins."""
        if run.purpose != Purpose.SEARCH:
            return
        self._begun += 1
        for step in sorted(run.reports):
            self._draw(run, step)
        self.place(run)

    def place(self, run: Run) -> None:
        """Notes the state of `run`: running, paused, or ended."""
        if run.purpose != Purpose.SEARCH:
            return
        self._running.pop(run.trial, None)
        if run.trial in self._paused:
            self._paused.remove(run.trial)
        if run.state == State.PAUSED:
            self._paused.add(run.trial, run.step, self._curves[run.trial][run.step])
        elif not run.state.finished:
            self._running[run.trial] = run.step

    def report(self, run: Run, step: int) -> None:
        """Adds a point to the curve that the scheduler sees: lower is better, the best so far if
        the objective counts the best step."""
        if run.purpose == Purpose.SEARCH:
            self._draw(run, step)
            self._running[run.trial] = step

    def _draw(self, run: Run, step: int) -> None:
        scoring = self._spec.scoring
        if scoring.constraints or len(scoring.objectives) > 1:
            self._curves.add(run.trial, step, *_losses(scoring, run, step))
            return
        objective = scoring.objectives[0]
        loss = objective.loss(run.reports[step].metrics[objective.metric])
        curve = self._curves.get(run.trial)
        if objective.at == "best" and curve:
            loss = min(loss, curve[max(curve)])
        self._curves.add(run.trial, step, loss)

    def returns(self, step: int) -> bool:
        """Whether a run at `step` only has to end by itself: user code continues after its last
        report, for example to save its result."""
        return self._own and self._end is not None and step >= self._end

    def verdict(self, run: Run, step: int) -> State | None:
        """How the run ends, or pauses, after `step`; None if it continues."""
        if self.returns(step):
            return None
        if run.purpose == Purpose.TEST or (self._end is not None and step >= self._end):
            return State.COMPLETE
        if run.purpose == Purpose.SEARCH:
            decision = self._scheduler.decide(run.trial, step, self._curves)
            return {Decision.STOP: State.PRUNED, Decision.PAUSE: State.PAUSED}.get(decision)
        return None

    def move(self, closing: bool) -> Action:
        """What a free worker should do; `closing`: no new trial may start."""
        state = SchedulerState(self._curves, self._paused, self._running, self._begun, closing)
        return self._scheduler.next_action(state)

    def until(self, run: Run) -> int | None:
        """The last step of an assignment of `run`. A built-in training leaves a checkpoint there; a
        user's function decides itself when it saves, and is stopped there."""
        if run.purpose != Purpose.SEARCH or self._own:
            return self._end
        return self._scheduler.until(run.trial, run.step)

    def perturb(self, params: Mapping[str, Scalar], number: int) -> dict[str, Scalar]:
        """The parameters of trial `number`, a clone of one with `params`."""
        return self._scheduler.perturb(dict(params), derive(self._spec.seed, number, 0, 0))


def _losses(scoring: Scoring, run: Run, step: int) -> tuple[float, ...]:
    """The trial's loss if it ended at `step`: infinite if that violates a constraint, so that it
    ranks behind all feasible ones."""
    told = {at: report for at, report in run.reports.items() if at <= step}
    if scoring.violation(told):
        return (math.inf,) * len(scoring.objectives)
    return scoring.losses(scoring.values(told))
