"""When a fault strikes: drawn from a seed, in terms of what the study has done by then."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Literal

from tests.faults.scene import Running, Scene

__all__ = ["Course", "Moment", "draw", "watched"]

_POLL = 0.003  # seconds
_SIGNS = {"start": 20, "store": 25, "record": 45, "end": 10}
"""What is waited for, and how often in a hundred draws."""

Sign = Literal["start", "store", "record", "end"]


@dataclass(frozen=True, slots=True)
class Course:
    """What an undisturbed run takes, in seconds."""

    start: float
    """From the command's first line to the first record of the journal."""
    store: float
    """From the first sign of MLflow's database to the first artifact."""
    records: int
    """Lines of the journal at the end."""
    end: float
    """From the last record to the exit."""
    whole: float


@dataclass(frozen=True, slots=True)
class Moment:
    sign: Sign
    records: int
    """Lines of the journal that are waited for; 0 where another sign is."""
    delay: float
    """Seconds after the sign."""

    def __str__(self) -> str:
        what = {"start": "the start", "store": "MLflow's database appears"}
        return f"{self.delay:.3f} s after {what.get(self.sign, f'record {self.records}')}"

    def come(self, scene: Scene, running: Running) -> bool:
        """Waits for it; False where the command was over before."""
        signs: dict[Sign, Callable[[], bool]] = {
            "start": lambda: (scene.folder / "begun").exists(),
            "store": lambda: store_begun(scene),
        }
        lines = _Lines(scene.journal)
        sign = signs.get(self.sign, lambda: lines.count() >= self.records)
        while not sign():
            if running.over or running.hung:
                return False
            time.sleep(_POLL)
        time.sleep(self.delay)
        return not running.over


def draw(random: Random, course: Course, begun: int = 0) -> Moment:
    """A moment of a run whose journal holds `begun` lines at its start."""
    sign: Sign = random.choices(list(_SIGNS), list(_SIGNS.values()))[0]  # type: ignore[assignment]
    share = random.random()
    if sign == "start" or course.records - begun < 3:
        return Moment("start", 0, share * course.start)
    if sign == "store":
        return Moment("store", 0, share * course.store)
    if sign == "record":
        records = random.randint(begun + 1, course.records - 1)
        return Moment("record", records, share * 0.05)
    # The order of a study of several workers varies, and with it the number of its records.
    return Moment("end", begun + int(0.95 * (course.records - begun)), share * (course.end + 0.5))


def watched(scene: Scene) -> Course:
    """The course of a run that nobody disturbs."""
    running, lines, began = scene.start(), _Lines(scene.journal), time.monotonic()
    at: dict[str, float] = {}
    count = 0
    while not running.over and not running.hung:
        now = time.monotonic()
        if (scene.folder / "begun").exists():
            at.setdefault("start", now)
        if store_begun(scene):
            at.setdefault("store", now)
        if (scene.runs / "mlartifacts").exists():
            at.setdefault("artifact", now)
        if (more := lines.count()) > count:
            count = more
            at.setdefault("first", now)
            at["last"] = now
        time.sleep(_POLL)
    ended, whole = running.end(), time.monotonic() - began
    assert ended.code == 0, f"undisturbed, the study ended with {ended.code}:\n{ended.text}"
    store = at.get("artifact", 0.0) - at.get("store", 0.0)
    return Course(
        at["first"] - at["start"], max(store, 0.5), count, began + whole - at["last"], whole
    )


def store_begun(scene: Scene) -> bool:
    return scene.runs.exists() and any(scene.runs.glob("*mlflow.db*"))


class _Lines:
    """Counts the lines of a file that grows."""

    def __init__(self, path: Path) -> None:
        self._path, self._read, self._lines = path, 0, 0

    def count(self) -> int:
        try:
            size = self._path.stat().st_size
        except FileNotFoundError:
            return 0
        if size > self._read:
            with self._path.open("rb") as file:
                file.seek(self._read)
                new = file.read()
            self._read += len(new)
            self._lines += new.count(b"\n")
        return self._lines
