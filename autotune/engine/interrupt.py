"""Stop signals (Ctrl-C, kill, a closed terminal), delivered where nothing is half done."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

__all__ = ["Interrupts", "Stopped", "exit_code"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SAME = 2.0
"""Seconds within which further signals count as the same request: systemd, Slurm and a closing
terminal send several in a row."""


class Stopped(KeyboardInterrupt):
    """Raised for each of the signals, so that handlers of Ctrl-C handle them all."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.signal = signal.Signals(number)


def exit_code(stop: KeyboardInterrupt) -> int:
    """The exit code that a shell reports for a process ended by the signal."""
    return 128 + (stop.signal if isinstance(stop, Stopped) else signal.SIGINT)


class Interrupts:
    """While entered, SIGINT, SIGTERM and SIGHUP raise Stopped: inside `deferred` at its end,
    elsewhere at once.

    A second Ctrl-C always strikes at once: whoever presses it twice does not want to wait. What the
    process was started to ignore, such as SIGHUP under nohup, stays ignored; but for Ctrl-C, which
    shells have ignored in all that they start in the background. Outside the main thread, which
    alone receives signals, nothing is changed.
    """

    def __init__(self) -> None:
        self.pending: Stopped | None = None
        """The first request. Other exception handlers may have swallowed it."""
        self._since = 0.0
        self._deferring = 0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                if signal.getsignal(number) != signal.SIG_IGN or number == signal.SIGINT:
                    before = signal.signal(number, self._strike)
                    self._before[number] = signal.SIG_DFL if before is None else before
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        self._deferring += 1
        try:
            yield
        finally:
            self._deferring -= 1
            if self.pending and not self._deferring:
                raise self.pending

    def _strike(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            _leave_closed_terminal()
        first = self.pending is None
        if first:
            self.pending, self._since = Stopped(number), time.monotonic()
        elif number != signal.SIGINT and time.monotonic() - self._since < _SAME:
            return
        if not (first and self._deferring):
            raise self.pending or Stopped(number)


def _leave_closed_terminal() -> None:
    """Discards output once the terminal is gone, where writing would raise OSError."""
    for output in (1, 2):
        try:
            os.write(output, b"")
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, output)
            os.close(nowhere)
