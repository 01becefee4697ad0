"""Notices that what the main thread works with has died, and sees to it that the thread leaves."""

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress

__all__ = ["LivenessProbe"]

_INTERVAL = 0.5
"""Seconds between two looks."""
_SLOW, _GIVE_UP = 2.0, 60.0
"""Seconds that the main thread has for leaving, before it is helped and before it is ended."""


class LivenessProbe:
    """Looks from a thread of its own between `start` and `close`; the main thread asks `is_lost`,
    and has left when it calls `end`.

    It may be in a call that waits for the dead for ever, and no signal gets it out of C++. Then
    the process is ended with exit code 1 and `last_words`, after `last_act`; where there are no
    words, it is left alone.
    """

    def __init__(self, last_words: str = "", last_act: Callable[[], object] = lambda: None) -> None:
        self.lost = ""
        """What died; "" while all lives."""
        self._last_words, self._last_act = last_words, last_act
        self._look: Callable[[], str] = lambda: ""
        self._help: Callable[[float], None] = lambda passed: None
        self._closing, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._watch, name="liveness", daemon=True)

    def start(self, look: Callable[[], str], help: Callable[[float], None]) -> None:
        """`look` says what has died, or "". `help` makes calls return that wait for the dead; it is
        called again and again until the main thread has left."""
        self._look, self._help = look, help
        self._thread.start()

    def is_lost(self, within: float = 0.0) -> bool:
        """Whether something has died, or does in the next seconds."""
        until = time.monotonic() + within
        while not self.lost:
            self.lost = self._look()
            if time.monotonic() >= until:
                break
            time.sleep(0.1)
        return bool(self.lost)

    def close(self) -> None:
        """What ends from now on is meant to."""
        self._closing.set()

    def end(self) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _watch(self) -> None:
        while not self._closing.wait(_INTERVAL) and not self.is_lost():
            pass
        since = time.monotonic()
        while not self._ended.wait(_INTERVAL):
            passed = time.monotonic() - since
            if self.lost or passed > _SLOW:
                self._help(passed)
            if passed > _GIVE_UP and self._last_words:
                why = self.lost or "Ray does not end"
                with suppress(OSError):
                    os.write(2, f"stopped: {why}; {self._last_words}\n".encode())
                self._last_act()
                os._exit(1)
