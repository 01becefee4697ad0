"""Processes that a user's code has started and left running: found in /proc, and ended.

Where there is no /proc (macOS), they are left alone.
"""

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
"""Seconds after which what does not die, in a system call that never returns, is left."""
_SHARED = (
    b"multiprocessing.resource_tracker",
    b"loky.backend.resource_tracker",
    b"_inductor/compile_worker",
)
"""Of the Python process, not of the work: started at first need, used by all later work, and ended
with their parent."""
_FORK_SERVER = b"multiprocessing.forkserver"
"""Of the Python process, too; the processes that it forks, whose command line is the same, are
the work's."""
_OPEN: list[None] = []
"""One a block that is entered."""
_ENDING = ExitStack()


@contextmanager
def no_processes_left() -> Iterator[None]:
    """Ends on leaving what was started in between and still runs, grandchildren included.

    A process that has a session of its own (setsid, `start_new_session=True`) was meant to go on,
    and does. Where blocks overlap, as the simulate engine's do, all ends with the last of them: it
    cannot be told whose a process is.
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
    """Close in every process forked from now on, as multiprocessing does, the sockets that this one
    has. Where a child holds a copy, the other end does not notice that this process has died."""
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
    """In ticks since boot: a number that is given again is another process."""
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
    """Orphans among our descendants become children of this process, not of init."""
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
    """What ends the process pools and managers of multiprocessing that there are, by its key."""
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
    """One whose workers are killed can hang whoever uses it next, for a worker may hold its locks;
    one that is closed says so."""
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
    """torch raises where SIGCHLD tells it that a worker of a DataLoader has died."""
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
    """The kernel's own answer: a look at every process of the machine is hardly ever needed."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _processes() -> Iterator[_Process]:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # The name stands in brackets and may hold any character.
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
            yield _Process(
                pid=int(stat.parent.name),
                started=int(fields[19]),
                parent=int(fields[1]),
                session=int(fields[3]),
            )
