"""A tracker whose store is slow and may be away: one thread writes, the caller never waits."""

import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from autotune.tracking.base import Event, StudyOpened
from autotune.tracking.spool import Spool

__all__ = ["BackgroundTracker", "Store"]

_INTERVAL = 1.5
"""Seconds between two flushes: what comes in between is written together."""
_LONGEST_WAIT = 30.0
"""Seconds between two attempts while the store is away."""


class Store(Protocol):
    """Used by one thread only."""

    url: str

    def prepare(self) -> None:
        """Do what takes long and needs no event. Raises when the store is away."""
        ...

    def write(self, events: list[Event]) -> list[str]:
        """Write `events`, of which any may have been written before. Raises when the store is away.

        Returns what the store refuses for good, a line each.
        """
        ...


class BackgroundTracker:
    """Queues events in memory; while the store is away they also lie in the file `spool`.

    They leave memory and file when the store has them all. What a crash leaves in the file is sent
    by the next tracker with the same file.
    """

    def __init__(
        self, store: Store, spool: Path, name: str, scrub: Callable[[str], str] = str
    ) -> None:
        """`scrub` takes secrets out of the store's errors."""
        self._store, self._spool, self._name = store, Spool(spool), name
        self._scrub = scrub
        self._queue: deque[Event] = deque()
        self._waiting: list[Event] = []
        self._spooled = 0
        self._opened: StudyOpened | None = None
        self._trouble = ""
        self._refused: list[str] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="tracking", daemon=True)
        self._thread.start()

    def record(self, event: Event) -> None:
        self._queue.append(event)

    def close(self, timeout: float = 30.0) -> str:
        self._closing.set()
        try:
            self._thread.join(timeout)
        finally:
            with self._lock:
                self._collect()
                self._keep()
        return self._verdict()

    @property
    def url(self) -> str:
        return self._store.url

    def _work(self) -> None:
        self._read_spool()
        self._prepare()
        delay, closing = _INTERVAL, False
        while not closing:
            closing = self._closing.wait(delay)
            delay = _INTERVAL if self._flush() else min(2 * delay, _LONGEST_WAIT)

    def _read_spool(self) -> None:
        with self._lock:
            self._waiting = self._spool.read()
            self._spooled = len(self._waiting)

    def _prepare(self) -> None:
        try:
            self._store.prepare()
        except Exception as error:
            self._trouble = self._one_line(error)

    def _flush(self) -> bool:
        with self._lock:
            self._collect()
        if self._opened is None or not self._waiting:
            return True
        try:
            self._refused += map(self._scrub, self._store.write(self._waiting))
        except Exception as error:
            with self._lock:
                self._trouble = self._one_line(error)
                self._keep()
            return False
        with self._lock:
            self._forget()
        return True

    def _collect(self) -> None:
        """Queue -> waiting. What another study of the same name left in the spool is dropped."""
        while self._queue:
            event = self._queue.popleft()
            if isinstance(event, StudyOpened):
                self._drop_stranger(event)
                self._opened = event
            self._waiting.append(event)

    def _drop_stranger(self, opened: StudyOpened) -> None:
        left = {e.uid for e in self._waiting if isinstance(e, StudyOpened)}
        if left and opened.uid not in left:
            self._forget()

    def _keep(self) -> None:
        """Append to the spool what is not yet in it; each spool begins with its study."""
        new = self._waiting[self._spooled :]
        if not new:
            return
        if self._spooled == 0 and self._opened is not None and self._opened not in new:
            new = [self._opened, *new]
        try:
            self._spool.append(new)
        except OSError as error:
            self._trouble += f"; nor can they be kept: {self._one_line(error)}"
        else:
            self._spooled = len(self._waiting)

    def _forget(self) -> None:
        self._waiting, self._trouble = [], ""
        if self._spooled:
            self._spool.clear()
            self._spooled = 0

    def _verdict(self) -> str:
        name = self._opened.name if self._opened else "NAME"
        cure = f"`autotune sync {name}` sends them."
        if self._waiting:
            why = self._trouble or "there was no time"
            return f"{self._name} has not got {len(self._waiting)} events ({why}); {cure}"
        if self._refused:
            first = self._refused[0]
            return f"{self._name} refused {len(self._refused)} writes (such as: {first}); {cure}"
        return ""

    def _one_line(self, error: Exception) -> str:
        text = self._scrub(" ".join(str(error).split())) or type(error).__name__
        return text if len(text) <= 160 else f"{text[:157]}..."
