"""A complete study from its spec: connects the tracker, the state machine and the engine."""

import shutil
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import assert_never

from autotune import spec as specs
from autotune.address import Address
from autotune.app.answer import Answers
from autotune.app.provenance import provenance
from autotune.app.steer import obeying
from autotune.engine import base as registry
from autotune.engine.base import EngineName
from autotune.errors import (
    AutotuneError,
    MachineFault,
    Passing,
    StudyBusy,
    StudyNotFound,
    UserError,
)
from autotune.machine_faults import as_machine_faults
from autotune.spec import MlflowTracking, NoTracking, StudySpec
from autotune.study import budget, events, history, state_machine
from autotune.study.history import History
from autotune.study.journal.journal import traces
from autotune.study.state_machine import Listener
from autotune.tracking.background import Retell
from autotune.tracking.base import (
    EngineStarting,
    Event,
    FaultPassing,
    RunFinished,
    RunReported,
    RunStarted,
    SamplerSwitched,
    StandingBy,
    StudyFinished,
    Tracker,
    identity,
)
from autotune.tracking.memory import MemoryTracker
from autotune.tracking.mlflow import MlflowTracker, delete_runs

__all__ = [
    "LateTracker",
    "Untracked",
    "artifacts",
    "delete",
    "drive",
    "is_finished",
    "store_of",
    "sync",
    "tell_figures",
]

_PATIENCE, _HURRY = 30.0, 10.0
"""Seconds for the tracker to write the rest, also when a signal stops the study: Slurm kills 30 s
after it. What remains waits in its spool."""

PICTURES = ("importance", "history")
"""Kinds of plot that the study's run in MLflow holds."""
_TURN = 1.0
"""Seconds between two checks whether another process still drives a study."""
_DATABASE_PATIENCE = 60.0
"""Seconds to wait for a database that does not answer such checks."""


class Untracked(UserError):
    """The study's spec asks for no tracking."""


def drive(
    spec: StudySpec,
    runs: Path,
    listeners: Sequence[Listener] = (),
    engine: EngineName = "ray",
    address: str | None = None,
    standby: bool = False,
) -> tuple[History, list[str]]:
    """Runs `spec`, or continues it, to its end; the history and notes, such as on what the tracker
    did not write.

    `standby` waits while another process drives the study, and takes over when that ends. A
    finished study is returned as it is. Raises KeyboardInterrupt after Ctrl-C with everything
    written, StudyBusy, MachineFault for a fault to be fixed first, and AutotuneError for what ended
    the study.
    """
    runs = runs.absolute()  # a user's code may change the working directory
    tracker = LateTracker(spec, runs)
    notes: list[str] = []
    told = [_Once(listener) for listener in (tracker.record, *listeners)]

    def tell(event: Event) -> None:
        for listener in listeners:
            listener(event)

    def run(driven: state_machine.Study) -> None:
        tracker.watch(driven.history)
        if not driven.complete:
            tell(EngineStarting("Ray" if engine == "ray" else "training"))
            with obeying(driven):
                registry.engine(engine)(driven, address)
                notes.extend(_report(driven.history))

    faults: Counter[type[Passing]] = Counter()
    patience = _PATIENCE
    try:
        while True:
            try:
                driven = _session(spec, runs, told, run, provenance(engine))
                break
            except StudyBusy as busy:
                if not standby:
                    raise
                tell(StandingBy(f"{busy.who}; standing by until that ends"))
                _stand_by(spec, runs)
            except Passing as fault:
                faults[type(fault)] += 1
                if faults[type(fault)] > fault.most:
                    raise
                tell(FaultPassing(f"{fault}; {fault.cure}"))
                fault.wait()
    except KeyboardInterrupt:
        patience = _HURRY
        raise
    finally:
        unwritten = tracker.close(patience)
    driven.raise_error()
    return driven.history, [*notes, *_notes(tracker, unwritten, spec)]


def _report(told: History) -> Iterator[str]:
    """Writes report.html and the pictures for MLflow into the study's folder, before its tracker is
    told that it has ended; a note where that failed: no report is worth a study."""
    from autotune.report import html_report, plots  # which import scipy

    def write_report() -> None:
        html_report.write(told, told.folder / html_report.REPORT, force=True)

    def write_pictures() -> None:
        for kind in () if isinstance(told.spec.tracking, NoTracking) else PICTURES:
            with suppress(UserError):  # there is nothing to show yet
                plots.write(told, kind, told.pictures_folder / f"{kind}.png", None, force=True)

    for what, write in ((html_report.REPORT, write_report), ("a picture", write_pictures)):
        try:
            write()
        except UserError:  # no trial has ended
            continue
        except Exception as error:
            why = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            yield f"{what} was not written: {why}"


def _session(
    spec: StudySpec,
    runs: Path,
    listeners: Sequence[Listener],
    run: Callable[[state_machine.Study], None],
    made_with: Mapping[str, str],
) -> state_machine.Study:
    """The study from its journal, with its lock held, as far as `run` brings it; closed again."""
    with as_machine_faults():
        driven = state_machine.start(spec, runs, listeners, made_with)
        try:
            run(driven)
        finally:
            driven.close()
    return driven


def _stand_by(spec: StudySpec, runs: Path) -> None:
    """Returns once nobody drives the study. Raises MachineFault for a database that stays away."""
    answered = time.monotonic()
    while True:
        time.sleep(_TURN)
        try:
            state_machine.claim(spec, runs / spec.name).release()
            return
        except StudyBusy:
            answered = time.monotonic()
        except MachineFault:
            if time.monotonic() - answered > _DATABASE_PATIENCE:
                raise


class LateTracker:
    """The study's tracker, started with the first event, so that a waiting process starts none."""

    def __init__(self, spec: StudySpec, runs: Path) -> None:
        retell = partial(_journaled, spec.name, runs)
        self._begin = partial(tracker_for, spec, runs, retell)
        self._tracker: Tracker | None = None
        self._answers: Answers | None = None
        self._trouble: list[str] = []

    def watch(self, history: History) -> None:
        """Tells the answer of `history`, a study that runs, whenever it may have changed."""
        self._answers = Answers(history)

    def record(self, event: Event) -> None:
        self._tracker = self._tracker or self._begin()
        if self._answers and self._changes(event, self._answers):
            self._tell_answer(self._tracker, self._answers)
        self._tracker.record(event)

    def _changes(self, event: Event, answers: Answers) -> bool:
        return isinstance(event, StudyFinished) or (isinstance(event, RunFinished) and answers.due)

    def _tell_answer(self, tracker: Tracker, answers: Answers) -> None:
        """A note where that failed: no description is worth a study."""
        try:
            tracker.record(answers.now())
        except Exception as error:
            self._answers = None
            why = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            self._trouble = [f"the answer that MLflow shows is not up to date: {why}"]

    def close(self, timeout: float) -> str:
        return self._tracker.close(timeout) if self._tracker else ""

    @property
    def notes(self) -> Sequence[str]:
        return [*self._trouble, *(self._tracker.notes if self._tracker else ())]


class _Once:
    """Passes on each event of a run once: a study that is started again emits all of them again."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._told: set[Hashable] = set()

    def __call__(self, event: Event) -> None:
        if isinstance(event, SamplerSwitched | RunStarted | RunReported | RunFinished):
            if identity(event) in self._told:
                return
            self._told.add(identity(event))
        self._listener(event)


def is_finished(spec: StudySpec, runs: Path) -> bool:
    """Whether the study has run to the end of `spec`, so that running it would start nothing. One
    whose trials have all failed would start anew."""
    try:
        told = history.load(spec.name, runs, spec)
    except StudyNotFound:
        return False
    return told.best() is not None and budget.is_over(told, told.elapsed())


def _journaled(name: str, runs: Path) -> Iterator[Event]:
    """All events in the study's journal."""
    told = history.load(name, runs)
    yield events.opening(told)
    yield from events.replayed(told)
    yield Answers(told).now()


def _notes(tracker: Tracker | LateTracker, unwritten: str, spec: StudySpec) -> list[str]:
    return [note for note in (*tracker.notes, unwritten, specs.exposed(spec)) if note]


def tracker_for(spec: StudySpec, runs: Path, retell: Retell) -> Tracker:
    """The tracker of `spec`'s study. A new tracker has its line here."""
    match spec.tracking:
        case NoTracking():
            return MemoryTracker()
        case MlflowTracking():
            spool = runs / spec.name / "tracking.spool"
            again = f"autotune sync{history.option(runs)}"
            return MlflowTracker(_store(spec, runs), artifacts(runs), spool, retell, again)
        case unreachable:
            assert_never(unreachable)


def store(spec: StudySpec, runs: Path) -> Address | None:
    """The MLflow store's address; None if the study is not tracked by MLflow."""
    return _store(spec, runs) if isinstance(spec.tracking, MlflowTracking) else None


def _store(spec: StudySpec, runs: Path) -> Address:
    """The study's own, or the default one, which lies in `runs`."""
    return spec.tracking_address or _default(runs)


def _default(runs: Path) -> Address:
    return Address(f"sqlite:///{runs}/mlflow.db")


def store_of(name: str | None, runs: Path) -> tuple[Address, str]:
    """The MLflow store of a study and the study's uid; the default store and "" without a name."""
    if name is None:
        return _default(runs), ""
    told = history.load(name, runs)
    return _tracked(told, runs), told.uid


def _tracked(told: History, runs: Path) -> Address:
    if address := store(told.spec, runs):
        return address
    name = told.spec.name
    raise Untracked(f"study {name!r} is not tracked: its spec says `tracking: {{uri: none}}`")


def artifacts(runs: Path) -> Path:
    return runs / "mlartifacts"


def sync(name: str, runs: Path) -> list[str]:
    """Sends the whole study to the tracker again; notes. Raises AutotuneError for what it did not
    write, UserError if the study is not tracked, and StudyBusy while it runs, because its driver
    does this itself."""
    spec = specs.load(history.find(name, runs) / "study.yaml")
    claimed = state_machine.claim(spec, runs / name)  # two writers could double a run
    try:
        told = history.load(name, runs)
        _tracked(told, runs)
        notes, unwritten = _tell(told, runs, list(events.replayed(told)), timeout=600)
    finally:
        claimed.release()
    if unwritten:
        raise AutotuneError("\n".join([*notes, unwritten]))
    return notes


def delete(name: str, runs: Path, tracked: bool = False) -> tuple[Path, int]:
    """Removes the study's folder and its records, and with `tracked` also its runs in MLflow, which
    goes first: what raises leaves the study as it was. The folder, and how many runs.

    Raises UserError where `tracked` is asked of a study that is not tracked, StudyBusy while it
    runs, and AutotuneError where MLflow cannot be asked.
    """
    count = 0
    if tracked:
        folder = history.find(name, runs)
        spec = specs.load(folder / "study.yaml")
        claimed = state_machine.claim(spec, folder)
        try:
            count = _delete_runs(spec, runs, traces(folder)[0])
        finally:
            claimed.release()
    return state_machine.delete(name, runs), count


def _delete_runs(spec: StudySpec, runs: Path, uid: str) -> int:
    address = store(spec, runs)
    if address is None:
        raise Untracked(f"study {spec.name!r} is not tracked: give no --mlflow")
    try:
        return delete_runs(address, uid) if uid else 0
    except AutotuneError:
        raise
    except Exception as error:  # MLflow's, and those of its server
        said = " ".join(address.scrub(str(error)).split())[:200]
        raise AutotuneError(
            f"nothing is removed: MLflow at {address} does not answer: {said}"
        ) from error


def tell_figures(told: History, runs: Path, figures: Sequence[Path]) -> list[str]:
    """Keeps pictures of the winner with its study and gives them to the tracker; notes.

    A study that runs gives them to its tracker at its end.
    """
    best = told.best()
    if best is None or not figures or isinstance(told.spec.tracking, NoTracking):
        return []
    folder = told.figures_folder(best.source)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file in figures:
        shutil.copy(file, folder)
    try:
        claimed = state_machine.claim(told.spec, told.folder)
    except StudyBusy:
        return []
    try:
        notes, unwritten = _tell(told, runs, ())
    except UserError as error:  # a variable of its address is not set
        return [str(error)]
    finally:
        claimed.release()
    return [*notes, unwritten] if unwritten else notes


def _tell(
    told: History, runs: Path, between: Sequence[Event], timeout: float = 30.0
) -> tuple[list[str], str]:
    """Notes, and what was not written. `between`: all that the journal holds, or nothing."""

    def retell() -> Iterable[Event]:
        return between or events.replayed(told)

    tracker = tracker_for(told.spec, runs, retell)
    over = budget.is_over(told, told.elapsed())
    answer = Answers(told).now()
    for event in (events.opening(told), *between, answer, events.closing(told, over)):
        tracker.record(event)
    unwritten = tracker.close(timeout)
    return _notes(tracker, "", told.spec), unwritten
