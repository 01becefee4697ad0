"""Work in a thread of its own, pulled like a generator: report by report, each one answered.

Whoever pulls stays free to act: to stop at a time limit, and to leave where the work hangs.
"""

import ctypes
import queue
import sys
import threading
import time
from collections.abc import Callable, Generator

from autotune.engine.worker.time_limits import Watch
from autotune.errors import Hanging
from autotune.trial import Failure, Report

__all__ = ["Channel", "Stop", "pulled"]

UNWIND = 60.0
"""Seconds that work has for its own ending once it was told to stop: `finally`, `except`."""
RELENT = 5.0
"""Seconds until what hangs in Python, interrupted there, has ended; it is interrupted twice."""
_LOOK = 0.2
"""Seconds between two looks at the clock."""


class Stop(BaseException):
    """The study has decided: unwinds the work. No Exception, which users' code catches."""


class Interruption(SystemExit):
    """Raised in a thread that does not end, wherever its Python code stands. A SystemExit: Python
    says nothing of one that strikes a thread just as it ends."""


class Channel:
    """Between the thread of the work and the one that pulls."""

    def __init__(self) -> None:
        self._reports: queue.SimpleQueue[Report | None] = queue.SimpleQueue()
        self._go_on: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._stopped = False
        self.error: BaseException | None = None
        """What the work has raised."""

    # The work's side

    def report(self, report: Report) -> None:
        """Returns when the study wants more. Raises Stop when it does not, from then on always."""
        self.ask(report)
        self.obey()

    def ask(self, report: Report) -> bool:
        """Whether the study wants more. Raises Stop where it has said before that it does not."""
        self.obey()
        self._reports.put(report)
        self._stopped = not self._go_on.get()
        return not self._stopped

    def obey(self) -> None:
        if self._stopped:
            raise Stop

    def run(self, work: Callable[["Channel"], object]) -> None:
        try:
            work(self)
        except Stop:
            pass
        except BaseException as error:
            self.error = error
        finally:
            self._reports.put(None)

    # The puller's side

    def next(self, watch: Watch | None) -> Report | Failure | None:
        """The next report; None when the work has ended; a Failure at a limit of `watch`."""
        if watch is None:
            return self._reports.get()
        began = time.monotonic()
        while not (failure := watch.waited(time.monotonic() - began)):
            began = time.monotonic()
            try:
                reply = self._reports.get(timeout=_LOOK)
            except queue.Empty:
                continue
            if reply is not None:
                watch.heard(reply)
            return reply
        return failure

    def answer(self, go_on: bool) -> None:
        self._go_on.put(go_on)


def pulled(
    work: Callable[[Channel], object], name: str, watch: Watch | None = None
) -> Generator[Report | Failure, None, None]:
    """The reports of `work`, then what it raises; a Failure and nothing more at a time limit.

    Closing the generator stops the work at its next report and waits until it has ended. What does
    not end is interrupted in its Python code, but not in an import: half a module would be left to
    all later work. Raises Hanging where the thread stays, as in a call that never returns.
    """
    channel = Channel()
    thread = threading.Thread(target=channel.run, args=(work,), name=name, daemon=True)
    thread.start()
    patience = RELENT  # it may well report before that, and end in its own way
    try:
        while (reply := channel.next(watch)) is not None:
            patience = 0.0 if isinstance(reply, Failure) else UNWIND
            yield reply
            patience = RELENT
            channel.answer(True)
        patience = UNWIND
    finally:
        channel.answer(False)
        _end(thread, patience)
    if channel.error is not None:
        raise channel.error


def _end(thread: threading.Thread, patience: float) -> None:
    thread.join(patience)
    for _ in range(2):
        if thread.is_alive():
            if not _imports(thread):
                _interrupt(thread)
            thread.join(RELENT)
    if thread.is_alive():
        raise Hanging(f"{thread.name} hangs where it cannot be interrupted")


def _imports(thread: threading.Thread) -> bool:
    frame = sys._current_frames().get(thread.ident or 0)
    while frame and not frame.f_code.co_filename.startswith("<frozen importlib"):
        frame = frame.f_back
    return frame is not None


def _interrupt(thread: threading.Thread) -> None:
    identity = ctypes.c_ulong(thread.ident or 0)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(identity, ctypes.py_object(Interruption))
