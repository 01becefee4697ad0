"""Ctrl-C where nothing is half done."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Self

__all__ = ["Interrupts"]


class Interrupts:
    """While entered, Ctrl-C inside `deferred` waits for its end; elsewhere it strikes at once.

    A second Ctrl-C always strikes at once: whoever presses it twice does not want to wait. Outside
    the main thread, which alone receives signals, nothing is changed.
    """

    def __init__(self) -> None:
        self.pending = False
        self._deferring = 0

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._strike)
        return self

    def __exit__(self, *_: object) -> None:
        if hasattr(self, "_before"):
            signal.signal(signal.SIGINT, self._before)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        self._deferring += 1
        try:
            yield
        finally:
            self._deferring -= 1
            if self.pending and not self._deferring:
                raise KeyboardInterrupt

    def _strike(self, _signal: int, _frame: FrameType | None) -> None:
        second, self.pending = self.pending, True
        if second or not self._deferring:
            raise KeyboardInterrupt
