"""What becomes of each run: written to the journal first, then to all that is derived from it."""

from collections.abc import Callable, Mapping
from typing import Any

from autotune.search.distributions import distribution
from autotune.study.history import History
from autotune.study.journal.journal import Journal, Run
from autotune.study.trial_scheduling import TrialScheduling
from autotune.study.workspace import NoWorkspace, Workspace
from autotune.trial import Purpose, Reason, Report, Scalar, State

__all__ = ["Bookkeeping"]


class Bookkeeping:
    def __init__(
        self,
        history: History,
        journal: Journal,
        workspace: Workspace | NoWorkspace,
        scheduling: TrialScheduling,
        stamp: Callable[[], Mapping[str, float]],
    ) -> None:
        """`stamp`: when it is: at and elapsed."""
        self._history, self._journal, self._workspace = history, journal, workspace
        self._scheduling, self._stamp = scheduling, stamp
        self._next = 0
        """The number of the next assignment."""

    def recall(self, run: Run) -> None:
        """A run that is journaled already."""
        self._next = max(self._next, 1 + max(run.assignments))
        self._history.add(run)
        self._scheduling.enter(run)

    def begin(
        self, about: Mapping[str, Any], params: Mapping[str, Scalar], why: str
    ) -> tuple[Run, int]:
        """A new run, and the number of its first assignment."""
        number = self._number()
        parameters = self._history.spec.space.parameters
        distributions = {name: distribution(parameters[name]) for name in params}
        record = {"why": why, "from": about.get("from", 0)}
        about = {**about, "at": self._stamp()["at"]}
        run = self._journal.begin(about, params, distributions, (number, record))
        self._history.add(run)
        self._scheduling.enter(run)
        if run.purpose != Purpose.TEST:
            self._workspace.begin(run)
        return run, number

    def assign(self, run: Run, why: str) -> int:
        """The run is handed out again; the number of the assignment."""
        number = self._number()
        accumulate = run.accumulate * 2 if why == Reason.OOM else run.accumulate
        record = {"why": why, "from": run.step, "accumulate": accumulate}
        self._journal.assign(run, number, record)
        if run.purpose != Purpose.TEST:
            self._workspace.resume(run)
        self._scheduling.place(run)
        self._mark_dirty(run)
        return number

    def report(self, run: Run, report: Report, who: Mapping[str, Any]) -> None:
        value = report.metrics.get(self._history.spec.objective.metric)
        self._journal.report(run, report, value, {**who, **self._stamp()})
        self._scheduling.report(run, report.step)
        self._mark_dirty(run, report.seconds)

    def pause(self, run: Run, who: Mapping[str, Any]) -> None:
        """The scheduler lets it wait where it stands."""
        self._journal.pause(run, {**who, **self._stamp()})
        self._scheduling.place(run)
        self._mark_dirty(run)

    def end(self, run: Run, state: State, record: Mapping[str, Any]) -> None:
        """`record`: the worker, and the reason, where there is one."""
        scoring = self._history.spec.scoring
        values = () if state == State.FAILED else scoring.values(run.reports)
        value = values[0] if values else None
        content = {**record, **self._stamp()}
        if len(values) > 1:
            content["values"] = list(values)
        searched = run.purpose == Purpose.SEARCH
        if searched:
            feasible = not scoring.violation(run.reports)
            content |= self._history.standing(value if feasible else None)
        self._journal.finish(run, state, value, content)
        if searched:
            self._history.leaderboard.ended(run)
        self._scheduling.place(run)

    def _number(self) -> int:
        self._next += 1
        return self._next - 1

    def _mark_dirty(self, run: Run, seconds: float = 0.0) -> None:
        if run.purpose == Purpose.SEARCH:
            self._history.leaderboard.changed(run, seconds)
