"""What the arms have in common: their arguments, and the reports they leave for the harness."""

import argparse
import json
import os
import time
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import NamedTuple

from benchmarks.glue.plan import Planned, load

__all__ = ["METRICS", "Arguments", "Record", "Told", "arguments"]

METRICS = ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "lr")


class Arguments(NamedTuple):
    folder: Path
    """Empty; all that the arm writes goes here."""
    planned: list[Planned]

    @property
    def store(self) -> str:
        return f"sqlite:///{self.folder}/mlflow.db"


def arguments() -> Arguments:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--trials", type=int, required=True)
    given = parser.parse_args()
    return Arguments(given.folder.absolute(), load(given.trials))


@dataclass(frozen=True, slots=True)
class Told:
    """A report as it arrived where it is recorded."""

    index: int
    step: int
    val_loss: float
    seconds: float
    """What the epoch took in its worker."""
    at: float
    """Seconds since the epoch."""


@dataclass(slots=True)
class Record:
    """The reports of one process."""

    reports: list[Told] = field(default_factory=list)

    def add(self, index: int, step: int, metrics: dict[str, float]) -> None:
        told = Told(index, step, metrics["val_loss"], metrics["seconds"], time.time())
        self.reports.append(told)

    def write(self, folder: Path) -> None:
        text = json.dumps([astuple(told) for told in self.reports])
        (folder / f"reports-{os.getpid()}.json").write_text(text)
