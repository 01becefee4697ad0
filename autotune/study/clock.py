"""The time of a study: real, or simulated."""

import time
from typing import Protocol

__all__ = ["Clock", "VirtualClock", "WallClock"]


class Clock(Protocol):
    def at(self) -> float:
        """Now, in seconds since the epoch."""
        ...

    def passed(self) -> float:
        """Seconds since the clock was made."""
        ...


class WallClock:
    def __init__(self) -> None:
        self._made = time.monotonic()

    def at(self) -> float:
        return time.time()

    def passed(self) -> float:
        return time.monotonic() - self._made


class VirtualClock:
    """Stands still unless set. Its epoch is its own beginning."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def at(self) -> float:
        return self.seconds

    def passed(self) -> float:
        return self.seconds
