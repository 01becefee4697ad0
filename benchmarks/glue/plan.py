"""The fixed list of trials that every arm runs: trials.csv, drawn once by `draw`.

The epochs of each trial are fixed in advance, in the mix that a stopping ASHA (grace 1, eta 3,
27 epochs) leaves: the first trials and the good ones go far, most stop after one epoch.
"""

import csv
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TextIO

__all__ = ["SPACE", "Planned", "draw", "load", "write"]

FILE = Path(__file__).with_name("trials.csv")
EPOCHS = (27, 1, 3, 1, 9, 1, 1, 27, 1, 3, 1, 1)
DRAWN = 60

SPACE: dict[str, tuple[int, ...] | tuple[float, ...] | tuple[str, ...]] = {
    "depth": (1, 2, 3),
    "width": (32, 64, 128, 256),
    "dropout": (0.0, 0.1, 0.3),
    "optimizer": ("momentum", "adam", "adamw"),
    "batch_size": (32, 64, 128),
}
LR = (1e-4, 1e-1)


@dataclass(frozen=True, slots=True)
class Planned:
    """One configuration of the digits MLP and how many epochs it runs."""

    index: int
    seed: int
    epochs: int
    depth: int
    width: int
    dropout: float
    optimizer: str
    lr: float
    batch_size: int

    def params(self) -> dict[str, int | float | str]:
        """What a tuner would search over."""
        return {name: getattr(self, name) for name in (*SPACE, "lr")}


def load(trials: int) -> list[Planned]:
    """The first `trials` of the list."""
    with FILE.open(newline="") as file:
        planned = [_parsed(row) for row in csv.DictReader(file)]
    if not 1 <= trials <= len(planned):
        raise ValueError(f"the list holds {len(planned)} trials, but {trials} were asked for")
    return planned[:trials]


def draw(seed: int = 0) -> Iterator[Planned]:
    """The list itself; the seed of a trial is the one a study of seed 0 gives that number."""
    from autotune.search.base import derive

    rng = random.Random(seed)
    for index in range(DRAWN):
        chosen = {name: rng.choice(choices) for name, choices in SPACE.items()}
        lr = float(f"{LR[0] * (LR[1] / LR[0]) ** rng.random():.3g}")
        epochs = EPOCHS[index % len(EPOCHS)]
        yield Planned(index, derive(0, index, 0), epochs, lr=lr, **chosen)


def write(planned: Sequence[Planned], file: TextIO) -> None:
    writer = csv.DictWriter(file, [field.name for field in fields(Planned)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(map(asdict, planned))


def _parsed(row: dict[str, str]) -> Planned:
    types = {field.name: field.type for field in fields(Planned)}
    return Planned(**{name: types[name](text) for name, text in row.items()})
