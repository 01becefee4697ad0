"""Processes that user code has started and left running: found in /proc, and ended. Without /proc
(macOS) they are left alone."""

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["hide_sockets", "no_processes_left"]

_SET_CHILD_SUBREAPER, _GET_CHILD_SUBREAPER = 36, 37  # of prctl(2), which takes five arguments
_REST = (ctypes.c_ulong(0),) * 3
_PATIENCE = 5.0
"""Seconds before giving up on a process that does not die, in a system call that never returns."""
_SHARED = (
    b"multiprocessing.resource_tracker",
    b"loky.backend.resource_tracker",
    b"_inductor/compile_worker",
)
"""Processes of the Python process, not of the work: started when first needed, reused, and ended
with their parent."""
_FORK_SERVER = b"multiprocessing.forkserver"
"""Also of the Python process; processes that it forks have the same command line but belong to the
work."""
_OPEN: list[None] = []
"""One for each entered block."""
_ENDING = ExitStack()


@contextmanager
def no_processes_left() -> Iterator[None]:
    """Ends on leaving what was started meanwhile and still runs, grandchildren included.

    A process with a session of its own (setsid, `start_new_session=True`) is left alone. If blocks
    overlap, as in the simulate engine, everything ends with the last of them, because processes
    cannot be attributed.
    """
    if not _OPEN:
        _ENDING.enter_context(_swept())
    _OPEN.append(None)
    try:
        yield
    finally:
        _OPEN.pop()
        if not _OPEN:
            _ENDING.close()


@contextmanager
def _swept() -> Iterator[None]:
    with _adopting():
        before, pools = {process.key for process in _family()}, set(_pools())
        try:
            yield
        finally:
            if _new(before):
                _close(end for pool, end in _pools().items() if pool not in pools)
                _end(before)


def hide_sockets() -> None:
    """Closes this process's sockets in every later fork, as multiprocessing does. A copy in a child
    would hide from the other end that this process has died."""
    mine = {fd: name for fd, name in _open_files() if name.startswith("socket:")}

    def close_copies() -> None:
        for fd, name in _open_files():
            if mine.get(fd) == name:
                os.close(fd)

    os.register_at_fork(after_in_child=close_copies)


def _open_files() -> list[tuple[int, str]]:
    found = []
    for link in Path("/proc/self/fd").glob("*"):
        with suppress(OSError):
            found.append((int(link.name), os.readlink(link)))
    return found


@dataclass(frozen=True, slots=True)
class _Process:
    pid: int
    started: int
    """In ticks since boot: distinguishes processes that share a number."""
    parent: int
    session: int

    @property
    def key(self) -> tuple[int, int]:
        return self.pid, self.started

    def is_of_the_work(self) -> bool:
        try:
            command = Path(f"/proc/{self.pid}/cmdline").read_bytes()
        except OSError:
            return True  # it is ending
        if _FORK_SERVER in command and self.parent == os.getpid():
            return False
        return not any(word in command for word in _SHARED)


@contextmanager
def _adopting() -> Iterator[None]:
    """Orphans among our descendants become children of this process instead of init."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    before = ctypes.c_int()
    if prctl is None or prctl(_GET_CHILD_SUBREAPER, ctypes.byref(before), *_REST) != 0:
        yield
        return
    prctl(_SET_CHILD_SUBREAPER, ctypes.c_ulong(1), *_REST)
    try:
        yield
    finally:
        prctl(_SET_CHILD_SUBREAPER, ctypes.c_ulong(before.value), *_REST)


def _pools() -> dict[object, Any]:
    """Closers of the existing process pools and managers of multiprocessing, by key."""
    util: Any = sys.modules.get("multiprocessing.util")
    found: dict[object, Any] = {}
    for key, finalizer in (dict(util._finalizer_registry) if util else {}).items():
        owner = finalizer._weakref and finalizer._weakref()
        match getattr(finalizer._callback, "__qualname__", ""):
            case "Pool._terminate_pool" if owner and type(owner).__name__ != "ThreadPool":
                found[key] = owner.terminate
            case "BaseManager._finalize_manager":
                found[key] = finalizer
    return found


def _close(ends: Iterable[Callable[[], object]]) -> None:
    """A pool with killed workers can hang its next user, because a worker may hold its locks; a
    closed one raises an error."""
    for end in ends:
        thread = threading.Thread(target=end, daemon=True)
        thread.start()
        thread.join(_PATIENCE)


def _new(before: set[tuple[int, int]]) -> list[_Process]:
    session = os.getsid(0)
    new = [p for p in _family() if p.key not in before and p.session == session]
    return [process for process in new if process.is_of_the_work()]


def _end(before: set[tuple[int, int]]) -> None:
    until = time.monotonic() + _PATIENCE
    with _deaths_unseen():
        while (new := _new(before)) and time.monotonic() < until:
            for process in new:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(process.pid, signal.SIGKILL)
            time.sleep(0.005)
            for process in new:
                with suppress(ChildProcessError):
                    os.waitpid(process.pid, os.WNOHANG)


@contextmanager
def _deaths_unseen() -> Iterator[None]:
    """torch raises when SIGCHLD reports that a DataLoader's worker has died."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL if before is None else before)


def _family() -> list[_Process]:
    """All descendants of this process."""
    if not _has_children():
        return []
    children: dict[int, list[_Process]] = {}
    for process in _processes():
        children.setdefault(process.parent, []).append(process)
    found, todo = [], [os.getpid()]
    while todo:
        below = children.pop(todo.pop(), [])
        found += below
        todo += [process.pid for process in below]
    return found


def _has_children() -> bool:
    """Asks the kernel first: a scan of all processes is rarely needed."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _processes() -> Iterator[_Process]:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # The name stands in parentheses and may contain any character.
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
            yield _Process(
                pid=int(stat.parent.name),
                started=int(fields[19]),
                parent=int(fields[1]),
                session=int(fields[3]),
            )
