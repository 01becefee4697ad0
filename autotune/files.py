"""Files that are whole or absent, and locks the kernel frees."""

import fcntl
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

__all__ = [
    "FileLock",
    "create_file",
    "flush_to_disk",
    "held_by",
    "naming",
    "take",
    "this_process",
    "write_atomically",
]


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """An error of the system names `path`: a full disk, met in a write, does not say where."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def write_atomically(path: Path, data: str | bytes, mode: int = 0o644) -> None:
    """Replace `path` in one step: a reader, or a crash, sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = data.encode() if isinstance(data, str) else data
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with naming(path), os.fdopen(handle, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def create_file(path: Path) -> None:
    """An empty file that is there also after the power failed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.open("ab").close()
    flush_to_disk(path.parent)


def flush_to_disk(path: Path) -> None:
    """What a file, or the names in a folder, are now is there also after the power failed."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class FileLock:
    """An exclusive flock on `path`, freed by the kernel when the process dies.

    `acquire(blocking=False)` answers False when another process holds it; `holder` is then what
    that process wrote with `note`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None

    def acquire(self, blocking: bool = True) -> bool:
        assert self._file is None, "held already: it would wait for itself"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX if blocking else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        except BaseException:
            os.close(handle)
            raise
        self._file = handle
        return True

    def release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def note(self, text: str) -> None:
        assert self._file is not None, "only the holder writes its note"
        with naming(self.path):
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, text.encode(), 0)

    @property
    def holder(self) -> str:
        return self.path.read_text().strip() if self.path.exists() else ""

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def this_process() -> str:
    """As others are told who holds a lock."""
    return f"process {os.getpid()} on {socket.gethostname()}"


def take(path: Path) -> FileLock | None:
    """The lock, held, with our name in it; None while another process holds it."""
    lock = FileLock(path)
    for _ in range(10):  # a reader holds it for an instant to see whether anyone does
        if lock.acquire(blocking=False):
            try:
                lock.note(this_process())
            except BaseException:
                lock.release()
                raise
            return lock
        time.sleep(0.05)
    return None


def held_by(path: Path) -> str:
    """Who holds the lock; "" when nobody does."""
    if not path.exists():
        return ""
    lock = FileLock(path)
    if lock.acquire(blocking=False):
        lock.release()
        return ""
    holder = lock.holder
    return f"process {holder}" if holder.isdecimal() else holder or "another process"
