"""A folder that lives as long as its process, with the processes that work in it."""

import os
import shutil
import signal
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from autotune.files import FileLock

__all__ = ["end_processes", "scratch_folder"]

_PREFIX, _LOCK, _INNER = "autotune-", "session.lock", "r"
_LONGEST = 23
"""Characters of the folder for temporary files: paths of Ray's sockets, below, may have 107."""
_NEWBORN = 60.0
"""Seconds in which an empty folder may be one that is just being made."""
_PATIENCE = 5.0
"""Seconds after which what does not die, in a system call that never returns, is left."""


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder that only this user can enter. On leaving, the processes that have files of it open
    are ended and it is removed; after a kill, the next one that is made does both."""
    root = Path(tempfile.gettempdir())
    if len(str(root)) > _LONGEST:
        root = Path("/tmp")
    _sweep(root)
    outer = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=root))
    with FileLock(outer / _LOCK) as lock:
        lock.note(str(os.getsid(0)))
        inner = outer / _INNER  # Ray opens its folder to everyone; the outer one stays closed
        inner.mkdir()
        try:
            yield inner
        finally:
            _remove(outer, os.getsid(0))


def end_processes(folder: Path, session: int | None = None) -> None:
    """Kills all that has a file of `folder` open, but this process and what has left the `session`
    (this one's by default), which was meant to go on.

    Where there is no /proc (macOS), nothing is found.
    """
    session, until = session or os.getsid(0), time.monotonic() + _PATIENCE
    while (found := _at_work(folder, session)) and time.monotonic() < until:
        for process in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.02)


def _remove(outer: Path, session: int) -> None:
    """A process that is just starting may write another file: then all is done again. The lock goes
    last, for without it no later start would find the folder."""
    inner, until = outer / _INNER, time.monotonic() + _PATIENCE
    while inner.exists() and time.monotonic() < until:
        end_processes(inner, session)
        shutil.rmtree(inner, ignore_errors=True)
    if not inner.exists():
        shutil.rmtree(outer, ignore_errors=True)


def _at_work(folder: Path, session: int) -> list[int]:
    others = (int(path.name) for path in Path("/proc").glob("[0-9]*"))
    return [pid for pid in others if pid != os.getpid() and _works_in(pid, folder, session)]


def _works_in(pid: int, folder: Path, session: int) -> bool:
    try:
        if os.getsid(pid) != session:
            return False
        entries = os.listdir(f"/proc/{pid}/fd")
    except OSError:  # it has ended, or is another user's
        return False
    for entry in entries:
        with suppress(OSError):  # closed meanwhile: a program that starts opens and closes many
            if os.readlink(f"/proc/{pid}/fd/{entry}").startswith(f"{folder}/"):
                return True
    return False


def _sweep(root: Path) -> None:
    """Ends and removes what killed processes have left."""
    for path in root.glob(f"{_PREFIX}*/{_LOCK}"):
        with suppress(OSError, ValueError):
            about = os.lstat(path.parent)
            if about.st_uid != os.geteuid() or not stat.S_ISDIR(about.st_mode):
                continue
            lock = FileLock(path)
            session = int(lock.holder)  # written by who holds the lock, so that it is no newborn's
            if lock.acquire(blocking=False):
                try:
                    _remove(path.parent, session)
                finally:
                    lock.release()
    for path in root.glob(f"{_PREFIX}*"):  # a kill fell between the lock's removal and its folder's
        with suppress(OSError):
            if time.time() - os.lstat(path).st_mtime > _NEWBORN:
                path.rmdir()  # where it is empty
