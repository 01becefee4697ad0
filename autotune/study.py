"""The state machine of a study: next() -> Assignment | Wait | Done, report() -> Decision, finish().

No threads and no engine: whoever runs assignments asks `next`, tells each report and obeys the
decision. Every step is journaled before it is answered, so a study killed anywhere goes on from its
journal: the same trial numbers, the same proposals (one worker), nothing lost and nothing twice.
"""

import shutil
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from autotune import confirm, failures
from autotune import spec as specs
from autotune.clock import Clock, WallClock
from autotune.errors import AutotuneError, StudyChanged
from autotune.files import write_atomically
from autotune.folder import Folder, Nowhere, take_lock
from autotune.history import History, load
from autotune.journal import Journal, Run, Unwritten, open_storage
from autotune.schedule import Curves
from autotune.search import SamplerConfig, SamplerSettings
from autotune.search.base import Sampler, derive
from autotune.search.distributions import distribution
from autotune.spec import StudySpec
from autotune.tracking.base import Event
from autotune.trial import (
    Assignment,
    Decision,
    Failure,
    Goal,
    Purpose,
    Reason,
    Report,
    Scalar,
    State,
)

__all__ = [
    "Done",
    "Listener",
    "Study",
    "Wait",
    "delete",
    "in_memory",
    "refuse_changes",
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


def start(spec: StudySpec, runs: Path, listeners: Sequence[Listener] = ()) -> "Study":
    """Creates the study `spec` under the folder `runs`, or goes on with the one that is there.

    Holds the study's lock until `close`. Raises StudyBusy when another driver holds it, and
    StudyChanged when the stored spec differs where it may not.
    """
    folder = runs / spec.name
    lock = take_lock(folder)
    try:
        stored = folder / "study.yaml"
        if stored.exists():
            refuse_changes(specs.load(stored), spec)
        write_atomically(stored, specs.dump(spec))
        journal = Journal(open_storage(spec.storage, folder), spec.name, spec.objective.goal)
        history = History(spec, folder, journal.uid)
        return Study(history, journal, Folder(history, lock), listeners)
    except BaseException:
        lock.release()
        raise


def in_memory(spec: StudySpec, listeners: Sequence[Listener] = ()) -> "Study":
    """A new study that writes nothing: for simulations, which are done again, not resumed."""
    journal = Unwritten()
    return Study(History(spec, Path(spec.name), journal.uid), journal, Nowhere(), listeners)


def refuse_changes(old: StudySpec, new: StudySpec) -> None:
    """Raises StudyChanged, naming the differences and the ways out."""
    if differences := specs.differences(old, new):
        lines = "\n".join(f"  {line}" for line in differences)
        raise StudyChanged(
            f"study {new.name!r} exists with another spec:\n{lines}\n"
            f"Give the new one another `name:`, or remove the old: autotune delete {new.name}"
        )


class Study:
    def __init__(
        self,
        history: History,
        journal: Journal,
        folder: Folder | Nowhere,
        listeners: Sequence[Listener] = (),
    ) -> None:
        """Takes over a journaled study: finished runs are told again, unfinished ones queued.

        Made by `start` or `in_memory`; `folder` is released by `close`.
        """
        self.history, self.spec = history, history.spec
        self.slots = 1
        """How many assignments may be out at once; the engine sets it."""
        self.clock: Clock = WallClock()
        """Passes the study's time; an engine may set another before the first `next`."""
        self._journal, self._folder, self._listeners = journal, folder, listeners
        self._sampler = self._build_sampler()
        self._scheduler = self.spec.schedule.build(self.spec.trial.get("epochs"))
        self._working: dict[int, Run] = {}
        self._queue: deque[tuple[Run, str]] = deque()
        self._curves = Curves()
        self._stopping = self._closed = False
        self.history.exhausted = bool(journal.note("exhausted"))
        self._error: AutotuneError | None = None
        self._before = 0.0
        self._take_over(journal.runs())

    def _build_sampler(self) -> Sampler:
        noted = self._journal.note("search")
        if noted is None:
            noted = self.spec.chosen_search().model_dump(mode="json")
            self._journal.write_note("search", noted)
        config: SamplerSettings = TypeAdapter(SamplerConfig).validate_python(noted)
        return config.build(self.spec.space, self.spec.objective.goal, self.spec.seed)

    def _take_over(self, runs: Sequence[Run]) -> None:
        for run in runs:
            self._journal.repair(run, self.spec.objective.metric)
            self.history.add(run)
            for step in sorted(run.reports):
                self._draw(run, step)
        self._before = self.history.elapsed()
        self._numbers = 1 + max((n for run in runs for n in run.assignments), default=-1)
        self._tell(self.history.opening)
        for listener in self._listeners:
            for event in self.history.events():
                listener(event)
        for run in [run for run in runs if not run.state.finished]:
            if run.reports and (state := self._verdict(run, run.step)):
                self._end(run, state)
            else:
                self._queue.append((run, "resume"))

    # What the engine calls

    def next(self) -> Assignment | Wait | Done:
        """The next piece of work, already journaled; Wait while `slots` are full or what is left
        depends on what runs; Done when nothing is left, or nothing more is to be handed out."""
        if not self._stopping and len(self._working) < self.slots:
            if assignment := self._next_assignment():
                return assignment
        return Wait() if self._working else Done()

    def report(self, assignment: Assignment, report: Report, worker: str = "") -> Decision:
        """Journals the report and answers it; on STOP the outcome is journaled as well.

        A step that is journaled already is dropped. After STOP the engine ends the work and calls
        `finish`.
        """
        run = self._working.get(assignment.number)
        if run is None or run.state.finished:
            return Decision.STOP
        if report.step < run.step:
            return Decision.CONTINUE
        if failure := failures.unusable(run, report, self.spec.objective.metric):
            self._give_up(failures.unreported(self.history, report))
            self._end(run, State.FAILED, failure, worker)
            return Decision.STOP
        if report.step not in run.reports:
            self._record(run, report, {"assignment": assignment.number, "worker": worker})
        if state := self._verdict(run, report.step):
            self._end(run, state, worker=worker)
            return Decision.STOP
        return Decision.CONTINUE

    def finish(self, assignment: Assignment, failure: Failure | None = None) -> None:
        """The worker no longer works on `assignment`: it obeyed STOP or ended by itself (failure
        None), or it failed. A run that lost its worker or its memory is queued again, in bounds.
        """
        run = self._working.pop(assignment.number, None)
        if run is None:
            return
        if not run.state.finished:
            self._settle(run, failure)
        self._folder.tidy(run)

    def stop(self) -> None:
        """Hand out nothing more. What runs may be abandoned: it goes on at the next start."""
        self._stopping = True

    def close(self) -> None:
        """Releases the study for the next driver. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        self._tell(lambda: self.history.closing(self.complete, str(self._error or "")))
        self._folder.release()

    # What the caller asks

    @property
    def complete(self) -> bool:
        """Nothing is left to do within the budget."""
        return not self._error and confirm.is_over(self.history, self.elapsed())

    @property
    def running(self) -> list[Run]:
        return list(self._working.values())

    def elapsed(self) -> float:
        """Seconds the study has run, all its sessions together."""
        return self._before + self.clock.passed()

    def raise_error(self) -> None:
        """Raises what made the study stop itself, if anything did."""
        if self._error:
            raise self._error

    # What comes next

    def _next_assignment(self) -> Assignment | None:
        if self._queue:
            return self._hand_out_again(*self._queue.popleft())
        if self.history.searching(self.elapsed()) and (assignment := self._propose()):
            return assignment
        if self.history.searched:
            if todo := confirm.outstanding(self.history):
                return self._begin(todo.about(), todo.params)
        return None

    def _propose(self) -> Assignment | None:
        number = len(self.history.trials)
        params = self._sampler.propose(self.history.snapshots(), number)
        if params is None:
            self.history.exhausted = True
            self._journal.write_note("exhausted", True)
            return None
        label = f"trial-{number:04d}"
        seed = derive(self.spec.seed, number, 0)
        about = {"label": label, "purpose": Purpose.SEARCH, "trial": number, "seed": seed}
        return self._begin(about, params)

    def _begin(self, about: Mapping[str, Any], params: Mapping[str, Scalar]) -> Assignment:
        number = self._next_number()
        parameters = self.spec.space.parameters
        distributions = {name: distribution(parameters[name]) for name in params}
        record = {"why": "start", "from": 0}
        about = {**about, "at": self.clock.at()}
        run = self._journal.begin(about, params, distributions, (number, record))
        self.history.add(run)
        if run.purpose != Purpose.TEST:
            self._folder.begin(run)
            self._tell(lambda: self.history.started(run))
        return self._assignment(run, number)

    def _hand_out_again(self, run: Run, why: str) -> Assignment:
        number = self._next_number()
        accumulate = run.accumulate * 2 if why == Reason.OOM else run.accumulate
        record = {"why": why, "from": run.step, "accumulate": accumulate}
        self._journal.assign(run, number, record)
        return self._assignment(run, number)

    def _next_number(self) -> int:
        self._numbers += 1
        return self._numbers - 1

    def _assignment(self, run: Run, number: int) -> Assignment:
        config = self.history.config(run)
        self._working[number] = run
        return Assignment(
            number=number,
            trial=run.trial,
            purpose=run.purpose,
            config=config,
            seed=run.seed,
            from_step=run.step,
            to_step=config.get("epochs"),
            folder=str(self.history.run_folder(run)),
            label=run.label,
        )

    # What becomes of a run

    def _record(self, run: Run, report: Report, who: Mapping[str, Any]) -> None:
        value = report.metrics.get(self.spec.objective.metric)
        self._journal.report(run, report, value, {**who, **self._stamp()})
        self._draw(run, report.step)
        self.history.changed(run, report.seconds)
        if run.purpose != Purpose.TEST:
            self._tell(lambda: self.history.reported(run, report.step))

    def _stamp(self) -> dict[str, float]:
        return {"at": self.clock.at(), "elapsed": self.elapsed()}

    def _draw(self, run: Run, step: int) -> None:
        """Adds a point to the curve the scheduler sees: lower is better, the best so far where
        the objective counts the best step."""
        if run.purpose != Purpose.SEARCH:
            return
        value = run.reports[step].metrics[self.spec.objective.metric]
        loss = -value if self.spec.objective.goal == Goal.MAXIMIZE else value
        curve = self._curves.get(run.trial, {})
        if self.spec.objective.at == "best" and curve:
            loss = min(loss, curve[max(curve)])
        self._curves.add(run.trial, step, loss)

    def _verdict(self, run: Run, step: int) -> State | None:
        """How the run ends after `step`; None when it goes on."""
        end = self.spec.trial.get("epochs")
        if run.purpose == Purpose.TEST or (end is not None and step >= end):
            return State.COMPLETE
        if run.purpose == Purpose.SEARCH:
            decision = self._scheduler.decide(run.trial, step, self._curves)
            return State.PRUNED if decision == Decision.STOP else None
        return None

    def _settle(self, run: Run, failure: Failure | None) -> None:
        if failure is None and run.reports:
            self._end(run, State.COMPLETE)
        elif failure is None:
            self._end(run, State.FAILED, Failure(Reason.EXCEPTION, "ended without a report"))
        elif failures.may_retry(run, failure, self.history.config(run)):
            self._queue.append((run, failure.reason))
        else:
            self._end(run, State.FAILED, failure)

    def _end(
        self, run: Run, state: State, failure: Failure | None = None, worker: str = ""
    ) -> None:
        value = None if state == State.FAILED else self.history.value_of(run)
        record: dict[str, Any] = {"worker": worker, **self._stamp()}
        if failure:
            record |= {"reason": failure.reason, "message": failure.message}
        if run.purpose == Purpose.SEARCH:
            record |= self.history.standing(value)
        self._journal.finish(run, state, value, record)
        self.history.ended(run)
        self._tell(lambda: self.history.finished(run))
        self._give_up(failures.hopeless(self.history))

    def _give_up(self, error: AutotuneError | None) -> None:
        """Stops the study for `error`, the first one; None: goes on."""
        if error and not self._error:
            self._error = error
            self.stop()

    def _tell(self, event: Callable[[], Event]) -> None:
        if self._listeners:
            told = event()
            for listener in self._listeners:
                listener(told)


def delete(name: str, runs: Path) -> Path:
    """Removes the study's folder, and its records where `storage` keeps them elsewhere.

    What the tracker remembers of it stays. Raises StudyNotFound, or StudyBusy while it runs.
    """
    found = load(name, runs)
    lock = take_lock(found.folder)
    try:
        if found.spec.storage is not None:
            storage = open_storage(found.spec.storage, found.folder)
            Journal(storage, name, found.spec.objective.goal).delete()
        shutil.rmtree(found.folder)
    finally:
        lock.release()
    return found.folder
