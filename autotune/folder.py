"""What a study leaves on disk beside its journal: its lock, its trials' configs and checkpoints."""

import os
import shutil
import time
from pathlib import Path

from autotune import spec as specs
from autotune.errors import StudyBusy
from autotune.files import FileLock, write_atomically
from autotune.history import History, find
from autotune.journal import Run, forget, keep_aside, open_storage
from autotune.trial import Purpose, State

__all__ = ["Folder", "Nowhere", "delete", "next_number", "set_aside", "take_lock"]


def take_lock(folder: Path) -> FileLock:
    """The driver's lock of the study in `folder`, held. Raises StudyBusy, naming who holds it."""
    lock = FileLock(folder / "driver.lock")
    for _ in range(10):  # a reader holds it for an instant to see whether anyone drives
        if lock.acquire(blocking=False):
            try:
                lock.note(str(os.getpid()))
            except BaseException:
                lock.release()
                raise
            return lock
        time.sleep(0.05)
    raise StudyBusy(
        f"study {folder.name!r} is being run by process {lock.holder or '?'}. "
        "Wait for it, or stop it with Ctrl-C there."
    )


def delete(name: str, runs: Path) -> Path:
    """Removes the study's folder, and its records where `storage` keeps them elsewhere; what is
    damaged too.

    What the tracker remembers of it stays. Raises StudyNotFound, or StudyBusy while it runs.
    """
    folder = find(name, runs)
    spec = specs.load(folder / "study.yaml")
    lock = take_lock(folder)
    try:
        if spec.storage is not None:
            forget(open_storage(spec.storage_address, folder), spec.name)
        shutil.rmtree(folder)
    finally:
        lock.release()
    return folder


def set_aside(history: History) -> Path:
    """Keeps all that the study has written, and its spec, as `earlier/<n>` in its folder, which is
    then as good as new. For the holder of its lock.

    What shows that the study has begun goes before its journal: a crash in between leaves a study
    that has done less, never one whose journal is gone.
    """
    folder, spec = history.folder, history.spec
    kept = folder / "earlier" / str(next_number(folder / "earlier"))
    kept.mkdir(parents=True)
    shutil.copy(folder / "study.yaml", kept)
    for part in ("trials", "confirm", "figures", "uid", "journal.log"):
        if (folder / part).exists():
            (folder / part).rename(kept / part)
    if spec.storage is not None and history.uid:
        keep_aside(open_storage(spec.storage_address, folder), spec.name, int(kept.name))
    return kept


def next_number(folder: Path, prefix: str = "") -> int:
    """The first number that no entry of `folder` bears behind `prefix`, nor a higher one."""
    ends = (path.name.removeprefix(prefix) for path in folder.glob(f"{prefix}*"))
    return max((int(end) for end in ends if end.isdecimal()), default=0) + 1


class Folder:
    """The folder of a study whose lock is held; `release` lets the next driver in."""

    def __init__(self, history: History, lock: FileLock) -> None:
        self._history, self._lock = history, lock
        self._kept: set[int] = set()

    def release(self) -> None:
        self._lock.release()

    def begin(self, run: Run) -> None:
        """`autotune train` on the file that is written here reruns `run` alone."""
        write_atomically(self._history.config_file(run), self._history.config_text(run))

    def resume(self, run: Run) -> None:
        """A crash, or a full disk, may have come between the journal and the file of `begin`."""
        if not self._history.config_file(run).exists():
            self.begin(run)

    def inherit(self, number: int, parent: Run) -> None:
        """Gives trial `number`, which is about to begin, the checkpoints of `parent`."""
        target = self._history.trial_folder(number)
        shutil.rmtree(target, ignore_errors=True)
        source = self._history.trial_folder(parent.trial)
        if source.is_dir():
            shutil.copytree(source, target)

    def tidy(self, run: Run) -> None:
        """Keeps the checkpoints of unfinished trials and of the best k alone, and of the best k
        complete ones: of a stopped trial there may be none."""
        if run.purpose != Purpose.SEARCH or not run.state.finished:
            return
        k, standings = max(self._history.spec.confirm.top, 1), self._history.standings
        ended = standings.first(k, State.COMPLETE, State.PRUNED)
        best = [*standings.top(k), *ended, *standings.first(k, State.COMPLETE)]
        keep = {kept.trial for kept in best if kept.state.finished}
        for gone in {run.trial, *self._kept} - keep:
            shutil.rmtree(self._history.trial_folder(gone), ignore_errors=True)
        self._kept = keep


class Nowhere:
    """In place of a Folder: a study that lives in memory leaves nothing."""

    def release(self) -> None:
        pass

    def begin(self, run: Run) -> None:
        pass

    def resume(self, run: Run) -> None:
        pass

    def inherit(self, number: int, parent: Run) -> None:
        pass

    def tidy(self, run: Run) -> None:
        pass
