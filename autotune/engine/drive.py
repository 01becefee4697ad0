"""A whole study from its spec: the tracker, the state machine and the engine brought together."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

from autotune import confirm, events, history, study
from autotune import spec as specs
from autotune.address import Address
from autotune.errors import AutotuneError, Passing, StudyBusy, StudyNotFound, UserError
from autotune.faults import as_machine_faults
from autotune.history import History
from autotune.spec import StudySpec, Tracking
from autotune.study import Listener
from autotune.tracking.base import (
    Event,
    FaultPassing,
    HandedOver,
    RunFinished,
    RunReported,
    RunStarted,
    Tracker,
)
from autotune.tracking.memory import MemoryTracker
from autotune.tracking.mlflow import MlflowTracker

__all__ = ["Engine", "artifacts", "drive", "is_finished", "store_of", "sync", "tell_figures"]

Engine = Literal["ray", "inline"]


def drive(
    spec: StudySpec,
    runs: Path,
    listeners: Sequence[Listener] = (),
    engine: Engine = "ray",
    address: str | None = None,
    starting: Callable[[], None] = lambda: None,
) -> tuple[History, list[str]]:
    """Runs `spec`, or goes on with it, to its end; the history and notes, such as on what the
    tracker did not write.

    `starting` is called before the engine starts, which takes Ray seconds; again after a fault that
    passes. A finished study is returned as it is. Raises KeyboardInterrupt after Ctrl-C with all
    written, MachineFault for what stopped it until that is mended, and AutotuneError for what ended
    the study.
    """
    runs = runs.absolute()  # a user's code may change the working directory
    tracker = tracker_for(spec, runs)
    told = [_Once(listener) for listener in (tracker.record, *listeners)]
    faults: Counter[type[Passing]] = Counter()
    try:
        while True:
            try:
                driven = _session(spec, runs, told, partial(_run, engine, address, starting))
                break
            except Passing as fault:
                faults[type(fault)] += 1
                if faults[type(fault)] > fault.most:
                    raise
                for listener in listeners:
                    listener(FaultPassing(f"{fault}; {fault.cure}"))
                fault.wait()
    finally:
        unwritten = tracker.close()
    driven.raise_error()
    return driven.history, [note for note in (unwritten, specs.exposed(spec)) if note]


def _session(
    spec: StudySpec,
    runs: Path,
    listeners: Sequence[Listener],
    run: Callable[[study.Study], None],
) -> study.Study:
    """The study from its journal, with its lock held, as far as `run` brings it; closed again."""
    with as_machine_faults():
        driven = study.start(spec, runs, listeners)
        try:
            if not driven.complete:
                run(driven)
        finally:
            driven.close()
    return driven


class _Once:
    """Passes on each event of a run once: a study that is started again tells all of them again."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._told: set[tuple[type[Event], str, int]] = set()

    def __call__(self, event: Event) -> None:
        if key := _key(event):
            if key in self._told:
                return
            self._told.add(key)
        self._listener(event)


def _key(event: Event) -> tuple[type[Event], str, int] | None:
    match event:
        case RunStarted(label=name) | RunFinished(label=name) | HandedOver(why=name):
            return type(event), name, 0
        case RunReported(label=name, report=report):
            return type(event), name, report.step
    return None


def _run(
    engine: Engine, address: str | None, starting: Callable[[], None], driven: study.Study
) -> None:
    starting()
    if engine == "inline":
        from autotune.engine import inline

        inline.run(driven)
    else:
        from autotune.engine import ray

        ray.run(driven, address)


def is_finished(spec: StudySpec, runs: Path) -> bool:
    """Whether the study has run to the end of `spec`, so that running it would start nothing. One
    whose trials have all failed would begin anew."""
    try:
        told = history.load(spec.name, runs)
    except StudyNotFound:
        return False
    told.spec = spec  # its budget may have grown
    return told.best() is not None and confirm.is_over(told, told.elapsed())


def tracker_for(spec: StudySpec, runs: Path) -> Tracker:
    """`uri: none` remembers nothing; the default store lies in `runs`."""
    address = store(spec, runs)
    if address is None:
        return MemoryTracker()
    return MlflowTracker(address, artifacts(runs), runs / spec.name / "tracking.spool")


def store(spec: StudySpec, runs: Path) -> Address | None:
    """The MLflow store's address; None: the study is not tracked."""
    return _default(runs) if spec.tracking == Tracking() else spec.tracking_address


def _default(runs: Path) -> Address:
    return Address(f"sqlite:///{runs}/mlflow.db")


def store_of(name: str | None, runs: Path) -> tuple[Address, str]:
    """The MLflow store of a study and the study's uid; the default store and "" without a name."""
    if name is None:
        return _default(runs), ""
    told = history.load(name, runs)
    address = store(told.spec, runs)
    if address is None:
        raise UserError(f"study {name!r} is not tracked: its spec says `tracking: {{uri: none}}`")
    return address, told.uid


def artifacts(runs: Path) -> Path:
    return runs / "mlartifacts"


def sync(name: str, runs: Path) -> list[str]:
    """Tells the tracker the whole study again; notes. Raises AutotuneError for what it did not
    write, and StudyBusy while the study runs: it tells its tracker itself.
    """
    lock = study.take_lock(history.find(name, runs))  # two writers could double a run
    try:
        told = history.load(name, runs)
        unwritten = _tell(told, runs, events.retold(told), timeout=600)
    finally:
        lock.release()
    if unwritten:
        raise AutotuneError(unwritten)
    return [note for note in (specs.exposed(told.spec),) if note]


def tell_figures(told: History, runs: Path, figures: Sequence[Path]) -> list[str]:
    """Keeps pictures of the winner with its study and gives them to the tracker; notes.

    A study that runs gives them to its tracker at its end.
    """
    best = told.best()
    if best is None or not figures or told.spec.tracking.uri == "none":
        return []
    folder = told.figures_folder(best.source)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file in figures:
        shutil.copy(file, folder)
    try:
        lock = study.take_lock(told.folder)
    except StudyBusy:
        return []
    try:
        unwritten = _tell(told, runs, ())
    except UserError as error:  # a variable of its address is not set
        unwritten = str(error)
    finally:
        lock.release()
    return [unwritten] if unwritten else []


def _tell(told: History, runs: Path, between: Iterable[Event], timeout: float = 30.0) -> str:
    tracker = tracker_for(told.spec, runs)
    over = confirm.is_over(told, told.elapsed())
    for event in (events.opening(told), *between, events.closing(told, over)):
        tracker.record(event)
    return tracker.close(timeout)
