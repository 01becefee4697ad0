"""What waits to be written to a tracker's store: each event once, in memory and in the spool."""

from collections.abc import Hashable, Iterable

from autotune.tracking.base import (
    Event,
    RunReported,
    RunStarted,
    StudyFinished,
    StudyOpened,
    identity,
)
from autotune.tracking.spool import Spool, to_line

__all__ = ["Outbox"]

_OPENED = (StudyOpened,)
"""The identity of each StudyOpened."""


class Outbox:
    """A study that goes on tells all of it again: events are kept by what they say.

    `keep` writes what is new to the spool, which holds each event once, too. Used under one lock.
    """

    def __init__(self, spool: Spool) -> None:
        self.opened: StudyOpened | None = None
        """The study, also once that event has been written."""
        self._spool = spool
        self._events: dict[Hashable, Event] = {}
        self._new: dict[Hashable, Event] = {}
        """Of them, those that are not in the spool."""
        self._spooled = False
        """There is a spool."""
        self._stale = False
        """It holds what has been written, or what is said better by now."""

    def __len__(self) -> int:
        return len(self._events)

    def read_spool(self) -> None:
        """What a process left that could not write it."""
        left = self._spool.read()
        for event in left:
            self._put(event)
        self._new.clear()
        self._spooled = bool(left)
        self._stale = len(left) > len(self._events)

    def add(self, event: Event) -> None:
        """What another study of the same name left is dropped."""
        if isinstance(event, StudyOpened):
            left = self._events.get(_OPENED)
            if isinstance(left, StudyOpened) and left.uid != event.uid:
                self.forget(self.events())
            self.opened = event
        self._put(event)

    def add_before(self, events: Iterable[Event]) -> None:
        """`events` come before what waits already."""
        waiting, self._events = self._events, {}
        for event in (*events, *waiting.values()):
            self._put(event)

    def events(self) -> list[Event]:
        return list(self._events.values())

    def forget(self, written: Iterable[Event]) -> None:
        for event in written:
            key = identity(event)
            if self._events.get(key) is event:
                del self._events[key]
                self._new.pop(key, None)
        if self._events:
            self._stale = self._spooled
        elif self._spooled:
            self._spool.clear()
            self._spooled = self._stale = False

    def keep(self) -> None:
        """All that waits is on disk when it returns. Raises OSError."""
        if not self._new and not self._stale:
            return
        first = [self.opened] if self.opened and _OPENED not in self._events else []
        if self._stale:
            self._spool.replace([*first, *self._events.values()])
        else:
            self._spool.append([*(() if self._spooled else first), *self._new.values()])
        self._new = {}
        self._spooled, self._stale = True, False

    def _put(self, event: Event) -> None:
        key = identity(event)
        known = self._events.get(key)
        if known is not None and event is not known:
            # Of two reports of a step the first counts.
            if isinstance(event, RunStarted | RunReported) or to_line(known) == to_line(event):
                event = known
            elif key not in self._new:
                self._stale = self._spooled
        if event is not known:
            self._new[key] = event
        if isinstance(event, StudyOpened | StudyFinished):
            self._events.pop(key, None)  # their order says whether the study is open again
        self._events[key] = event
