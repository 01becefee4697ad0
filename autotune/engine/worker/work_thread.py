"""Work in a thread of its own, pulled like a generator: report by report, each one answered.

The puller stays free to act: to stop it at a time limit, and to leave it if it hangs.
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
"""Seconds for work to end after it was told to stop: `finally`, `except`."""
RELENT = 5.0
"""Seconds for a Python hang to end after an interrupt; it is interrupted twice."""
_LOOK = 0.2
"""Seconds between two looks at the clock."""


class Stop(BaseException):
    """Unwinds the work after the study's decision. No Exception, which user code catches."""


class Interruption(SystemExit):
    """Raised in a thread that does not end, wherever its Python code is. A SystemExit, because
    Python reports none that hits a thread as it ends."""


class Channel:
    """Between the thread of the work and its puller."""

    def __init__(self) -> None:
        self._reports: queue.SimpleQueue[Report | None] = queue.SimpleQueue()
        self._go_on: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._stopped = False
        self.error: BaseException | None = None
        """The exception of the work."""

    # The work's side

    def report(self, report: Report) -> None:
        """Returns to continue. Raises Stop otherwise, from then on always."""
        self.ask(report)
        self.obey()

    def ask(self, report: Report) -> bool:
        """Whether to continue. Raises Stop if it has answered no before."""
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
    """The reports of `work`, then its exception; at a time limit a Failure and nothing more.

    Closing the generator stops the work at its next report and waits for its end. A work that does
    not end is interrupted in its Python code, but not in an import, which would leave half a module
    to later work. Raises Hanging if the thread stays, as in a call that never returns.
    """
    channel = Channel()
    thread = threading.Thread(target=channel.run, args=(work,), name=name, daemon=True)
    thread.start()
    patience = RELENT  # it may report before that, and end in its own way
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
