"""A tracker whose store is slow and may be away: one thread writes, the caller never waits."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

from autotune.errors import AutotuneError, StudyNotFound
from autotune.tracking.base import Event, Kept, StudyOpened
from autotune.tracking.outbox import Outbox
from autotune.tracking.spool import Spool

__all__ = ["BackgroundTracker", "Retell", "Store", "StoreLost"]

_INTERVAL = 1.5
"""Seconds between two flushes: what comes in between is written together."""
_LONGEST_WAIT = 30.0
"""Seconds between two attempts while the store is away."""

Retell = Callable[[], Iterable[Event]]
"""All that the study's journal holds, told from its beginning."""


class StoreLost(Exception):
    """The store can no longer be written to, but may be opened anew at once."""


class Store(Protocol):
    """Used by one thread only, but for `name`, `url` and `notes`."""

    name: str
    """What messages call it."""
    url: str
    notes: list[str]

    def prepare(self) -> None:
        """Do what takes long and needs no event. Raises when the store is away."""
        ...

    def open(self, study: StudyOpened) -> bool:
        """Before each `write`. False: the store knows nothing of the study yet, or any more."""
        ...

    def write(self, events: list[Event]) -> list[str]:
        """Write `events`, of which any may have been written before. Raises when the store is away,
        StoreLost for one that is broken or has been replaced.

        Returns what the store refuses for good, a line each.
        """
        ...

    def scrub(self, text: str) -> str:
        """An error's text without secrets."""
        ...


class BackgroundTracker:
    """Queues events in memory; while the store is away they also lie in the file `spool`.

    They leave memory and file when the store has them all. What a crash leaves in the file is sent
    by the next tracker with the same file. A store that knows nothing of the study, such as a new
    database, is told all that `retell` says. `sync` is the command that tells everything again.
    """

    def __init__(
        self, store: Store, spool: Path, retell: Retell = tuple, sync: str = "autotune sync"
    ) -> None:
        self._store, self._retell, self._sync = store, retell, sync
        self._outbox = Outbox(Spool(spool))
        self._queue: deque[Event] = deque()
        self._trouble = ""
        self._refused: list[str] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="tracking", daemon=True)
        self._thread.start()

    def record(self, event: Event) -> None:
        if isinstance(event, Kept):
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
    def notes(self) -> Sequence[str]:
        return tuple(self._store.notes)

    @property
    def url(self) -> str:
        return self._store.url

    def _work(self) -> None:
        with self._lock:
            self._outbox.read_spool()
        self._prepare()
        delay, closing = _INTERVAL, False
        while not closing:
            closing = self._closing.wait(delay)
            delay = _INTERVAL if self._flush() else min(2 * delay, _LONGEST_WAIT)

    def _prepare(self) -> None:
        try:
            self._store.prepare()
        except Exception as error:
            self._trouble = self._one_line(error)

    def _flush(self) -> bool:
        with self._lock:
            self._collect()
        try:
            try:
                self._write()
            except StoreLost:
                self._write()
        except Exception as error:
            with self._lock:
                self._trouble = self._one_line(error)
                self._keep()
            return False
        return True

    def _write(self) -> None:
        events, study = self._outbox.events(), self._outbox.opened
        if study is None or not events:
            return
        if not self._store.open(study):
            events = self._all_of_it()
        self._refused += map(self._store.scrub, self._store.write(events))
        with self._lock:
            self._outbox.forget(events)
            self._trouble = ""

    def _all_of_it(self) -> list[Event]:
        """What the journal holds, and then what waits."""
        told: list[Event] = []
        try:
            told += self._retell()
        except StudyNotFound:  # it begins: all of it comes by `record`
            pass
        with self._lock:
            self._outbox.add_before(told)
            return self._outbox.events()

    def _collect(self) -> None:
        while self._queue:
            self._outbox.add(self._queue.popleft())

    def _keep(self) -> None:
        try:
            self._outbox.keep()
        except OSError as error:
            self._trouble += f"; nor can they be kept: {self._one_line(error)}"

    def _verdict(self) -> str:
        opened, name = self._outbox.opened, self._store.name
        cure = f"`{self._sync} {opened.name if opened else 'NAME'}` sends them."
        if self._outbox:
            why = self._trouble or "there was no time"
            return f"{name} has not got {len(self._outbox)} events ({why}); {cure}"
        if self._refused:
            first = self._refused[0]
            return f"{name} refused {len(self._refused)} writes (such as: {first}); {cure}"
        return ""

    def _one_line(self, error: Exception) -> str:
        text = self._store.scrub(" ".join(str(error).split())) or type(error).__name__
        if isinstance(error, AutotuneError):  # it says what to do
            return text
        return text if len(text) <= 160 else f"{text[:157]}..."
