"""What a user's code prints goes into its run's log.

In a process of the work's own (a Ray worker) all output does, that of its child processes and of
libraries in C included. Elsewhere the process is the user's terminal: there, what the threads of
the work print appears as always, and is copied into the log.
"""

import os
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

__all__ = ["flush_streams", "logged", "own_process", "write_traceback"]

_OWN: list[bool] = []
"""Set if the process does nothing but the work."""
_OPEN: dict[int, TextIO] = {}
"""The current logs, by the thread whose output they get."""
_LOCK = threading.Lock()


def own_process() -> None:
    """Marks this process as one for the work only: all its output belongs to the work."""
    _OWN.append(True)


@contextmanager
def logged(path: str) -> Iterator[None]:
    """Appends the output of this thread, and of those that it starts, to the file; "": to none."""
    if not path:
        yield
        return
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a", encoding="utf-8", errors="replace", buffering=1) as file:
        with _redirected(file) if _OWN else _copied(file):
            yield
    with suppress(OSError):
        if os.path.getsize(path) == 0:
            os.unlink(path)


def write_traceback(path: str, error: BaseException) -> None:
    """Appends the traceback of user code. An unwritable log must not lose the outcome."""
    if not path:
        return
    with suppress(Exception):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a", encoding="utf-8", errors="replace") as file:
            file.write(time.strftime("--- failed at %Y-%m-%d %H:%M:%S\n"))
            file.writelines(traceback.format_exception(error))


@contextmanager
def _redirected(file: TextIO) -> Iterator[None]:
    saved = [(number, os.dup(number)) for number in (1, 2)]
    flush_streams()
    for number, _ in saved:
        os.dup2(file.fileno(), number)
    try:
        yield
    finally:
        flush_streams()
        for number, before in saved:
            os.dup2(before, number)
            os.close(before)


def flush_streams() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()


@contextmanager
def _copied(file: TextIO) -> Iterator[None]:
    thread = threading.get_ident()
    with _LOCK:
        if not _OPEN:
            sys.stdout, sys.stderr = _Tee(sys.stdout), _Tee(sys.stderr)
        _OPEN[thread] = file
    try:
        yield
    finally:
        with _LOCK:
            del _OPEN[thread]
            if not _OPEN:
                sys.stdout, sys.stderr = _original(sys.stdout), _original(sys.stderr)


def _original(stream: Any) -> Any:
    return stream.onward if isinstance(stream, _Tee) else stream


class _Tee:
    """Replaces a stream, and copies what the work writes."""

    def __init__(self, onward: Any) -> None:
        self.onward = onward

    def __getattr__(self, name: str) -> Any:
        return getattr(self.onward, name)

    def write(self, text: str) -> int:
        if (file := _log_of_this_thread()) is not None:
            with suppress(OSError, ValueError):
                file.write(text)
        return int(self.onward.write(text))

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)


def _log_of_this_thread() -> TextIO | None:
    """The log of the thread that started it, as far as known."""
    this = threading.get_ident()
    if this in _OPEN or this == threading.main_thread().ident:
        return _OPEN.get(this)
    return next(iter(_OPEN.values())) if len(_OPEN) == 1 else None
