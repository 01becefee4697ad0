from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from autotune.address import Address
from autotune.testing.tracking import Picture, TrackerContract, read_mlflow, told
from autotune.tracking.base import Event, Tracker
from autotune.tracking.memory import MemoryTracker
from autotune.tracking.mlflow import MlflowTracker


class TestMemory(TrackerContract):
    @pytest.fixture(autouse=True)
    def _trackers(self) -> None:
        self.opened: dict[Path, list[MemoryTracker]] = {}

    def open(self, folder: Path) -> Tracker:
        tracker = MemoryTracker()
        self.opened.setdefault(folder, []).append(tracker)
        return tracker

    def see(self, folder: Path, tracker: Tracker) -> Mapping[str, Picture]:
        events: list[Event] = [event for one in self.opened[folder] for event in one.events]
        return told(events)


class TestMlflow(TrackerContract):
    @pytest.fixture(autouse=True)
    def _database(self, new_database: Callable[[Path], str]) -> None:
        self.new_database = new_database

    def open(self, folder: Path) -> Tracker:
        uri = self.new_database(folder)
        return MlflowTracker(
            Address(uri), folder / "mlartifacts", folder / "small" / "unsent.jsonl"
        )

    def see(self, folder: Path, tracker: Tracker) -> Mapping[str, Picture]:
        return read_mlflow(self.new_database(folder), "uid-0")
