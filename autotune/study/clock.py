"""The time of a study: real, or simulated."""

import time
from typing import Protocol

__all__ = ["Clock", "VirtualClock", "WallClock"]


class Clock(Protocol):
    def at(self) -> float:
        """Now, in seconds since the epoch."""
        ...

    def passed(self) -> float:
        """Seconds since the clock was made, but for those that it was held."""
        ...

    def hold(self, held: bool) -> None:
        """Whether time passes for the study from now on: not while a person has paused it."""
        ...


class WallClock:
    def __init__(self) -> None:
        self._made = time.monotonic()
        self._held: float | None = None

    def at(self) -> float:
        return time.time()

    def passed(self) -> float:
        now = time.monotonic() if self._held is None else self._held
        return now - self._made

    def hold(self, held: bool) -> None:
        if held == (self._held is not None):
            return
        now = time.monotonic()
        if self._held is not None:
            self._made += now - self._held
        self._held = now if held else None


class VirtualClock:
    """Stands still unless set. Its epoch is its own beginning."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def at(self) -> float:
        return self.seconds

    def passed(self) -> float:
        return self.seconds

    def hold(self, held: bool) -> None:
        pass
