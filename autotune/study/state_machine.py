"""The state machine of a study: next() -> Assignment | Wait | Done, report() -> Decision, finish().

No threads and no engine: whoever runs assignments asks `next`, tells each report and obeys the
decision. Every step is journaled before it is answered, so a study killed anywhere goes on from its
journal: the same trial numbers, the same proposals (one worker), nothing lost and nothing twice.
Another thread may call `receive`, which takes people's commands; calls wait for one another.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autotune.errors import AutotuneError, MachineFault
from autotune.schedule.state import Clone, NewTrial, Resume, WaitForRunning
from autotune.search.base import Sampler, SourceTrials, derive
from autotune.spec import Budget, StudySpec, shares
from autotune.study import assignments, auto_selection, budget, confirmation, events, failures
from autotune.study.bookkeeping import Bookkeeping
from autotune.study.clock import Clock, WallClock
from autotune.study.history import ENDED, FITTED, RULES, SPENT, History
from autotune.study.journal.journal import BUDGET, Journal, MemoryJournal, Run
from autotune.study.journal.run import ASKED, HAND
from autotune.study.reopen import reopen
from autotune.study.steering.answer import Start
from autotune.study.steering.steering import Steering
from autotune.study.trial_scheduling import TrialScheduling
from autotune.study.turns import in_turn
from autotune.study.warm_start import collect
from autotune.study.workspace import NoWorkspace, Workspace, claim, delete, take_lock
from autotune.tracking.base import Event, Noted
from autotune.trial import (
    Assignment,
    Decision,
    Failure,
    Fault,
    Purpose,
    Reason,
    Report,
    Scalar,
    Share,
    State,
)

__all__ = [
    "Done",
    "Listener",
    "Study",
    "Wait",
    "claim",
    "delete",
    "in_memory",
    "start",
    "take_lock",
]


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to hand out now; ask again after the next report or finish."""


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing runs and nothing is left to run."""


Listener = Callable[[Event], None]


def start(
    spec: StudySpec,
    runs: Path,
    listeners: Sequence[Listener] = (),
    provenance: Mapping[str, str] | None = None,
) -> "Study":
    """Creates the study `spec` under the folder `runs`, or continues the existing one.
    `provenance` says with what: engine, machine, versions.

    Holds the study's lock until `close`. Raises StudyBusy if another driver holds it, StudyChanged
    if the stored spec differs where it may not, and JournalDamaged.
    """
    folder = (runs / spec.name).absolute()  # a user's code may change the working directory
    new = not (folder / "study.yaml").exists()
    read = collect.reader(spec, collect.under(runs), at_once=new)
    claimed = claim(spec, folder)
    try:
        journal, notes = reopen(spec, folder, claimed.storage, provenance)
        history = History(spec, folder, journal.uid)
        for note in notes:
            for listener in listeners:
                listener(Noted(note))
        past = collect.recall(spec, journal, read)
        study = Study(history, journal, Workspace(history, claimed), listeners)
        study.resume(past)
        study.receive()
        return study
    except BaseException:
        claimed.release()
        raise


def in_memory(
    spec: StudySpec, listeners: Sequence[Listener] = (), find: collect.Find = collect.IN_RUNS
) -> "Study":
    """A new study that writes nothing, for simulations, which are repeated rather than resumed.
    `find` looks up the studies of its warm start."""
    journal = MemoryJournal()
    past = collect.recall(spec, journal, collect.reader(spec, find))
    history = History(spec, Path(spec.name), journal.uid)
    study = Study(history, journal, NoWorkspace(), listeners)
    study.resume(past)
    return study


class Study:
    """Made by `start` or `in_memory`, which resume what is journaled; `close` releases
    everything."""

    _sampler: Sampler
    _scheduling: TrialScheduling
    _books: Bookkeeping

    def __init__(
        self,
        history: History,
        journal: Journal,
        workspace: Workspace | NoWorkspace,
        listeners: Sequence[Listener] = (),
    ) -> None:
        self.history, self.spec = history, history.spec
        self.slots = 1
        """Maximum number of assignments that are out at once; set by the engine."""
        self.clock: Clock = WallClock()
        """The study's time; an engine may set another one before the first `next`."""
        self._journal, self._workspace, self._listeners = journal, workspace, listeners
        self._working: dict[int, Run] = {}
        self._queue: deque[tuple[Run, str]] = deque()
        self._yielding: set[int] = set()
        """Assignments that leave their workers because a person holds the study."""
        self._stopping = self._closed = False
        self._error: Exception | None = None
        self._before = 0.0
        self.turn = threading.RLock()
        """Held by whoever calls."""
        self._steering = Steering(self, history, journal, workspace)

    # Start

    def resume(self, past: SourceTrials) -> None:
        """Takes over the journal: emits events of finished runs and queues unfinished ones. The
        sampler learns from `past`, the trials of earlier studies."""
        journal, runs = self._journal, self._journal.runs()
        if not runs and journal.note("rules") is None:
            journal.write_note("rules", RULES)
        self.history.recall(journal)
        self._sampler = auto_selection.sampler(self.history, journal, past, self._notify)
        self._scheduling = TrialScheduling(self.spec, auto_selection.scheduler(self.spec, journal))
        self._books = Bookkeeping(
            self.history, journal, self._workspace, self._scheduling, self._stamp
        )
        for run in runs:
            journal.repair(run, self.spec.objective.metric)
            self._books.recall(run)
        self._before = self.history.elapsed()
        self._replay()
        self._requeue([run for run in runs if run.state in (State.RUNNING, State.WAITING)])
        self._steering.recall()

    def _replay(self) -> None:
        self._notify(lambda: events.opening(self.history))
        for listener in self._listeners:
            for event in events.replayed(self.history):
                listener(event)

    def _requeue(self, running: Sequence[Run]) -> None:
        """Queues the runs that were interrupted, unless they had just ended."""
        for run in running:
            verdict = None if run.just_assigned else self._scheduling.verdict(run, run.step)
            if verdict:
                self._release(run, verdict, max(run.assignments))
            else:
                self._queue.append((run, ASKED if run.state == State.WAITING else "resume"))

    # Called by the engine

    @in_turn
    def next(self) -> Assignment | Wait | Done:
        """The next assignment, already journaled; Wait while `slots` are full, the rest depends on
        running ones, or a person paused the study; Done if nothing is left, or nothing more may be
        handed out."""
        paused = self.history.paused and not self._stopping
        self.clock.hold(paused and not self._working)
        if not (self._stopping or paused) and len(self._working) < self.slots:
            if assignment := self._next_assignment():
                return assignment
        if self._working or paused:
            return Wait()
        # A command that has come by now is not left to the next driver.
        return self.next() if not self._stopping and self.receive() else Done()

    @in_turn
    def report(self, assignment: Assignment, report: Report, worker: str = "") -> Decision:
        """Journals the report and returns the decision; with STOP the outcome is journaled too,
        with PAUSE the pause.

        A step that is already journaled is dropped. After STOP and PAUSE the engine ends the work
        and calls `finish`.
        """
        run = self._working.get(assignment.number)
        if run is None or run.state.finished:
            return Decision.STOP
        if report.step <= assignment.from_step or report.step < run.step:
            return Decision.CONTINUE
        if failure := failures.unusable(run, report, self.spec.scoring):
            self._abort(failures.unreported(self.history, report))
            self._end(run, State.FAILED, failure, worker)
            return Decision.STOP
        if report.step not in run.reports:
            self._books.report(run, report, {"assignment": assignment.number, "worker": worker})
            if run.purpose != Purpose.TEST:
                self._notify(lambda: events.reported(self.history, run, report.step))
        self._mind_budget()
        verdict = self._scheduling.verdict(run, report.step)
        if verdict in (None, State.PAUSED) and self._is_cut(run):
            self._end(run, State.PRUNED, worker=worker, why=BUDGET)
            return Decision.STOP
        if verdict is None and not self._scheduling.returns(report.step):
            verdict = self._by_hand(run, assignment.number)
        if verdict is None:
            return Decision.CONTINUE
        if run.state == State.RUNNING and verdict != State.WAITING:
            self._release(run, verdict, assignment.number, worker)
        return Decision.PAUSE if verdict in (State.PAUSED, State.WAITING) else Decision.STOP

    @in_turn
    def finish(self, assignment: Assignment, ending: Failure | Fault | None = None) -> None:
        """The worker has left `assignment`: it obeyed STOP or ended by itself (None), or it failed.

        A run that lost its worker or its memory is queued again, a limited number of times. Raises
        MachineFault for a Fault: the study stops, and running trials continue at the next start.
        """
        if isinstance(ending, Fault):
            self.stop()
            raise MachineFault(f"{assignment.label}: {ending.message}")
        run = self._working.pop(assignment.number, None)
        if run is None:
            return
        yields = assignment.number in self._yielding and ending is None
        if run.state == State.RUNNING and yields:
            self._queue.append((run, "pause"))
        elif run.state == State.RUNNING:
            self._settle(run, ending)
        self._workspace.tidy(run)

    def stop(self) -> None:
        """Hands out nothing more. Running trials may be abandoned: they continue at the next
        start."""
        self._stopping = True

    @in_turn
    def receive(self) -> bool:
        """Journals, answers and obeys the commands in the study's inbox; whether there were any."""
        return self._steering.receive(self._stamp(), lambda event: self._notify(lambda: event))

    def abort(self, error: Exception) -> None:
        """Stops the study for `error`, the first one: see `raise_error`."""
        if not self._error:
            self._error = error
            self.stop()

    @in_turn
    def close(self) -> None:
        """Releases the study for the next driver. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        self._notify(lambda: events.closing(self.history, self.complete, str(self._error or "")))
        self._workspace.release()

    # Queries

    @property
    def complete(self) -> bool:
        """Nothing is left to do within the budget."""
        return not self._error and budget.is_over(self.history, self.elapsed())

    @property
    def running(self) -> list[Run]:
        return list(self._working.values())

    def shares(self) -> tuple[Share, ...]:
        """Resources that its trials may get."""
        return shares(self.spec)

    def elapsed(self) -> float:
        """Seconds the study has run, all its sessions together."""
        return self._before + self.clock.passed()

    def _stamp(self) -> dict[str, float]:
        return {"at": self.clock.at(), "elapsed": self.elapsed()}

    def raise_error(self) -> None:
        """Raises what made the study stop itself, if anything did."""
        if self._error:
            raise self._error

    # Called by Steering, for people

    def begin_by_hand(self, start: Start, command: str) -> None:
        number = len(self.history.trials)
        about = {**self._trial(number), "command": command, "origin": dict(start.origin)}
        if start.parent is not None:
            parent = self.history.trials[start.parent]
            self._workspace.inherit(number, parent)
            about |= {"parent": parent.trial, "from": parent.step}
        run, _ = self._books.begin(about, start.params, ASKED)
        asked = sum(why == ASKED for _, why in self._queue)
        self._queue.insert(asked, (run, ASKED))

    def end_by_hand(self, run: Run) -> None:
        if run.state.finished or self._is_at_work(run):
            return
        self._queue = deque(entry for entry in self._queue if entry[0] is not run)
        self._end(run, State.PRUNED, why=HAND)
        self._workspace.tidy(run)

    def set_budget(self, budget: Budget) -> None:
        self.spec = self.history.spec = self.spec.model_copy(update={"budget": budget})
        self._workspace.store(self.spec)

    def _by_hand(self, run: Run, assignment: int) -> State | None:
        """The effect of a command on a run that would continue after its report. WAITING: it
        continues after the pause, or at the next start."""
        if run.purpose == Purpose.SEARCH and self._steering.ends(run):
            self._end(run, State.PRUNED, why=HAND)
            return State.PRUNED
        if self._steering.holds:
            self._yielding.add(assignment)
            return State.WAITING
        return None

    # The next assignment

    def _next_assignment(self) -> Assignment | None:
        self._mind_budget()
        while self._queue:
            run, why = self._queue.popleft()
            if not self._is_cut(run):
                return self._hand_out_again(run, why)
            self._end(run, State.PRUNED, why=BUDGET)
            self._workspace.tidy(run)
        if assignment := self._search():
            return assignment
        if self.history.searched:
            self._fit_confirmation()
            if todo := confirmation.outstanding(self.history):
                return self._begin(todo.about(), todo.params)
        return None

    def _mind_budget(self) -> None:
        """Notes what the budget ends now: the search, or everything except the reading of the test
        split."""
        for key, note in budget.due(self.history, self.elapsed(), self.slots):
            self._note(key, note)
            if key == ENDED:
                self._notify(lambda: Noted(budget.ended(self.history)))

    def _fit_confirmation(self) -> None:
        if not self.history.noted(FITTED):
            if fitted := budget.fit(self.history, self.elapsed(), self.slots):
                self._note(FITTED, fitted)

    def _note(self, key: str, note: Mapping[str, Any]) -> None:
        limits = self.history.limits(key)
        self.history.note(self._journal, key, {**note, "for": limits})

    def _is_cut(self, run: Run) -> bool:
        """Whether the budget ends the run at this point."""
        ended = self.history.noted(ENDED if run.purpose == Purpose.SEARCH else SPENT)
        whole = run.purpose == Purpose.TEST or self._scheduling.returns(run.step)
        return ended is not None and not whole

    def _search(self) -> Assignment | None:
        """Lets the scheduler choose: continue a paused trial, clone one or start a new one. Trials
        still paused when nothing is left to do are pruned."""
        elapsed = self.elapsed()
        if self.history.affordable(elapsed):
            closing = not self.history.searching(elapsed)
            move = self._scheduling.move(closing)
            match move:
                case Resume(trial) if self._is_at_work(self.history.trials[trial]):
                    return None  # its worker has yet to let it go
                case Resume(trial):
                    return self._hand_out_again(self.history.trials[trial], "promotion")
                case Clone(parent, replaces):
                    return self._clone(self.history.trials[parent], replaces)
                case NewTrial() if not closing:
                    return self._propose() or self._search()
                case WaitForRunning() if self._scheduling.idle and not closing:
                    self._mark_exhausted()
        if self._scheduling.idle:
            why = BUDGET if self.history.noted(ENDED) else ""
            for number in self._scheduling.paused:
                self._end(self.history.trials[number], State.PRUNED, why=why)
                self._workspace.tidy(self.history.trials[number])
        return None

    def _is_at_work(self, run: Run) -> bool:
        return any(working is run for working in self._working.values())

    def _mark_exhausted(self) -> None:
        self.history.note(self._journal, "exhausted", True)

    def _propose(self) -> Assignment | None:
        number = len(self.history.trials)
        params = self._sampler.propose(self.history.snapshots(), number)
        if params is None:
            self._mark_exhausted()
            return None
        return self._begin(self._trial(number), params)

    def _trial(self, number: int) -> dict[str, Any]:
        label, seed = f"trial-{number:04d}", derive(self.spec.seed, number, 0)
        return {"label": label, "purpose": Purpose.SEARCH, "trial": number, "seed": seed}

    def _clone(self, parent: Run, replaces: int | None) -> Assignment:
        if replaces is not None:
            self._end(self.history.trials[replaces], State.PRUNED)
            self._workspace.tidy(self.history.trials[replaces])
        number = len(self.history.trials)
        self._workspace.inherit(number, parent)
        about = {**self._trial(number), "parent": parent.trial, "from": parent.step}
        return self._begin(about, self._scheduling.perturb(parent.params, number))

    def _begin(self, about: Mapping[str, Any], params: Mapping[str, Scalar]) -> Assignment:
        run, number = self._books.begin(about, params, "start")
        if run.purpose != Purpose.TEST:
            self._notify(lambda: events.started(self.history, run))
        return self._assignment(run, number)

    def _hand_out_again(self, run: Run, why: str) -> Assignment:
        number = self._books.assign(run, why)
        if why == ASKED:
            self._notify(lambda: events.started(self.history, run))
        return self._assignment(run, number)

    def _assignment(self, run: Run, number: int) -> Assignment:
        self._working[number] = run
        return assignments.made(self.history, run, number, self._scheduling.until(run))

    # The end of a run

    def _release(self, run: Run, state: State, assignment: int, worker: str = "") -> None:
        """The run leaves its worker, finally or to wait."""
        if state == State.PAUSED:
            self._books.pause(run, {"assignment": assignment, "worker": worker})
        else:
            self._end(run, state, worker=worker)

    def _settle(self, run: Run, failure: Failure | None) -> None:
        if failure is None and run.reports:
            self._end(run, State.COMPLETE, worker=str(run.stamps[run.step].get("worker", "")))
        elif failure is None:
            self._end(run, State.FAILED, Failure(Reason.EXCEPTION, "ended without a report"))
        elif failures.may_retry(run, failure, self.history.config(run)):
            self._queue.append((run, failure.reason))
        else:
            self._end(run, State.FAILED, failure)

    def _end(
        self,
        run: Run,
        state: State,
        failure: Failure | None = None,
        worker: str = "",
        why: str = "",
    ) -> None:
        """`why`: the reason other than itself or the scheduler: the budget, or a person."""
        record: dict[str, Any] = {"worker": worker}
        if failure:
            record |= {"reason": failure.reason, "message": failure.message}
        if why:
            said = "stopped by hand" if why == HAND else budget.why(self.history)
            record |= {"why": why, "message": said}
        self._books.end(run, state, record)
        self._notify(lambda: events.finished(self.history, run))
        self._abort(failures.hopeless(self.history))

    def _abort(self, error: AutotuneError | None) -> None:
        if error:
            self.abort(error)

    def _notify(self, event: Callable[[], Event]) -> None:
        if self._listeners:
            told = event()
            for listener in self._listeners:
                listener(told)
