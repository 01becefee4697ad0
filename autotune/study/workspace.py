"""A study's folder beside its journal: its lock, its trials' configs and checkpoints."""

import shutil
from pathlib import Path

from optuna.storages import BaseStorage

from autotune import spec as specs
from autotune.errors import StudyBusy
from autotune.files import FileLock, held_by, take, write_atomically
from autotune.spec import StudySpec
from autotune.study.history import History, find
from autotune.study.journal import database
from autotune.study.journal.database import Claimed
from autotune.study.journal.journal import Run, forget, keep_aside
from autotune.study.steering import inbox
from autotune.trial import Purpose, State

__all__ = [
    "Claim",
    "NoWorkspace",
    "Workspace",
    "claim",
    "delete",
    "next_number",
    "set_aside",
    "take_lock",
    "write_spec",
]


_STAYS = {"driver.lock", "earlier", "inbox", "journal.lock", "study.yaml", "tracking.spool"}
"""What a study that begins anew keeps in its folder."""
_LAST = ("uid", "journal.log")
_ATTEMPTS = 20
"""How often the checkpoints of a parent that runs are copied until they stood still."""


def write_spec(spec: StudySpec, folder: Path) -> None:
    """study.yaml in the study's folder: what a resume goes by."""
    mode = 0o600 if specs.exposed(spec) else 0o644
    write_atomically(folder / "study.yaml", specs.dump(spec), mode=mode)


class Claim:
    """The right to drive a study, until `release`: nobody else writes its journal meanwhile."""

    def __init__(self, lock: FileLock, database: Claimed | None) -> None:
        self._lock, self._database = lock, database

    @property
    def storage(self) -> BaseStorage | None:
        """The only storage for writing the journal; None: a file in the study's folder."""
        return self._database.storage if self._database else None

    def release(self) -> None:
        if self._database:
            self._database.release()
        self._lock.release()


def take_lock(folder: Path) -> FileLock:
    """Takes the lock in the study's folder only. Raises StudyBusy with its holder."""
    path = folder / "driver.lock"
    lock = take(path)
    if lock is None:
        raise StudyBusy(folder.name, held_by(path))
    return lock


def claim(spec: StudySpec, folder: Path) -> Claim:
    """The right to drive the study `spec` in `folder`: a lock there, and one in the database if
    that is the journal, because other folders and machines may share it.

    Raises StudyBusy with its driver.
    """
    lock = take_lock(folder)
    try:
        address = spec.storage_address
        return Claim(lock, database.claim(address, spec.name) if address else None)
    except BaseException:
        lock.release()
        raise


def delete(name: str, runs: Path) -> Path:
    """Removes the study's folder, and its records if `storage` keeps them elsewhere, damaged ones
    too.

    Its tracker keeps what it has. Raises StudyNotFound, or StudyBusy while it runs.
    """
    folder = find(name, runs)
    spec = specs.load(folder / "study.yaml")
    claimed = claim(spec, folder)
    try:
        if claimed.storage is not None:
            forget(claimed.storage, spec.name)
        shutil.rmtree(folder)
    finally:
        claimed.release()
    return folder


def set_aside(history: History, storage: BaseStorage | None) -> Path:
    """Keeps everything that the study has written, and its spec, as `earlier/<n>` in its folder,
    which is then as good as new. For the holder of its lock, whose `storage` is that of the claim.

    The proof that the study has begun goes before its journal: a crash in between leaves a study
    that has done less, never one whose journal is gone.
    """
    folder = history.folder
    kept = folder / "earlier" / str(next_number(folder / "earlier"))
    kept.mkdir(parents=True)
    if (folder / "study.yaml").exists():  # it may have run in another folder, on a database
        shutil.copy(folder / "study.yaml", kept)
    written = {path.name for path in folder.iterdir()} - _STAYS
    for name in [*sorted(written - {*_LAST}), *(name for name in _LAST if name in written)]:
        (folder / name).rename(kept / name)
    if storage is not None and history.uid:
        keep_aside(storage, history.spec.name, int(kept.name))
    return kept


def next_number(folder: Path, prefix: str = "") -> int:
    """The first number above all entries of `folder` that begin with `prefix`."""
    ends = (path.name.removeprefix(prefix) for path in folder.glob(f"{prefix}*"))
    return max((int(end) for end in ends if end.isdecimal()), default=0) + 1


class Workspace:
    """The folder of a study whose lock is held; `release` lets the next driver in."""

    def __init__(self, history: History, claim: Claim) -> None:
        self._history, self._claim = history, claim
        self._kept: set[int] = set()

    def release(self) -> None:
        self._claim.release()

    def commands(self) -> list[tuple[str, str]]:
        """(id, text) of the commands in the study's inbox, the oldest first."""
        return inbox.waiting(self._history.folder)

    def taken(self, id: str) -> None:
        """The command is journaled."""
        inbox.path_of(self._history.folder, id).unlink(missing_ok=True)

    def store(self, spec: StudySpec) -> None:
        write_spec(spec, self._history.folder)

    def begin(self, run: Run) -> None:
        """`autotune train` on this file repeats `run` alone."""
        write_atomically(self._history.config_file(run), self._history.config_text(run))

    def resume(self, run: Run) -> None:
        """A crash, or a full disk, may have come between the journal and the file of `begin`."""
        if not self._history.config_file(run).exists():
            self.begin(run)

    def inherit(self, number: int, parent: Run) -> None:
        """Gives trial `number`, which is about to begin, the checkpoints of `parent`."""
        target = self._history.trial_folder(number)
        source = self._history.trial_folder(parent.trial)
        for attempt in range(_ATTEMPTS):
            shutil.rmtree(target, ignore_errors=True)
            try:
                if source.is_dir():
                    shutil.copytree(source, target)
                return
            except (shutil.Error, FileNotFoundError):  # the parent runs, and writes there
                if attempt == _ATTEMPTS - 1:
                    raise

    def tidy(self, run: Run) -> None:
        """Keeps only the checkpoints of unfinished trials, of the best k, and of the best k
        complete ones, because a stopped trial may have none."""
        if run.purpose != Purpose.SEARCH or not run.state.finished:
            return
        k, leaderboard = max(self._history.spec.confirm.top, 1), self._history.leaderboard
        ended = leaderboard.first(k, State.COMPLETE, State.PRUNED)
        best = [*leaderboard.top(k), *ended, *leaderboard.first(k, State.COMPLETE)]
        keep = {kept.trial for kept in best if kept.state.finished}
        for gone in {run.trial, *self._kept} - keep:
            shutil.rmtree(self._history.trial_folder(gone), ignore_errors=True)
        self._kept = keep


class NoWorkspace:
    """Replaces a Workspace: a study in memory leaves nothing on disk."""

    def release(self) -> None:
        pass

    def commands(self) -> list[tuple[str, str]]:
        return []

    def taken(self, id: str) -> None:
        pass

    def store(self, spec: StudySpec) -> None:
        pass

    def begin(self, run: Run) -> None:
        pass

    def resume(self, run: Run) -> None:
        pass

    def inherit(self, number: int, parent: Run) -> None:
        pass

    def tidy(self, run: Run) -> None:
        pass
